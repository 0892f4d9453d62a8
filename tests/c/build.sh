#!/bin/sh
# build.sh COMPILER SOURCE OUTPUT [FLAGS...]: a driver of this folder with the C core, with setup.py's flags and then those.
# Run from the project's root, for example: tests/c/build.sh aarch64-linux-gnu-gcc driver.c /tmp/driver -static
# With EMULATE=avx512 the driver's "avx2" is the AVX-512 code, lane by lane in instructions of AVX2.
set -e
compiler=$1 source=$2 output=$3
shift 3
core=src/fastmlp/csrc
flags="-std=gnu11 -O3 -fno-fast-math -ffp-contract=off -fno-math-errno -fvisibility=hidden -Wall -Wextra -Werror"
flags="$flags -I $core -I src/fastmlp/include"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
case $($compiler -dumpmachine) in
x86_64*)
    base="-march=x86-64 -mno-avx -mno-mmx"
    avx2="-march=x86-64 -mno-avx512f -mavx2 -mfma -mno-mmx"
    avx512="-march=x86-64 -mfma -mavx512f -mavx512dq -mavx512vl -mavx512bw -mprefer-vector-width=512 -mno-mmx"
    ;;
*) base="" avx2="" avx512="" ;;
esac
[ "$EMULATE" != avx512 ] || avx2="$avx2 -D__AVX512F__ -I tests/c/avx512 -Wno-psabi -O1"
for file in $(find $core -name '*.c'); do
    case $file in */isa_avx2_*) isa=$avx2 ;; */isa_avx512_*) isa=$avx512 ;; *) isa=$base ;; esac
    $compiler $flags $isa "$@" -c "$file" -o "$folder/$(basename "$file" .c).o" &
done
wait
$compiler $flags $base "$@" "tests/c/$source" "$folder"/*.o -lpthread -lm -o "$output"
