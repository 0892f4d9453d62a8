#!/bin/sh
# build.sh COMPILER OUTPUT [FLAGS...]: the driver from the C core, with setup.py's flags.
# Run from the project's root, for example: tests/aarch64/build.sh aarch64-linux-gnu-gcc /tmp/driver -static
# With EMULATE=avx512 the driver's "avx2" is the AVX-512 code, lane by lane in instructions of AVX2.
set -e
compiler=$1 output=$2
shift 2
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
[ "$EMULATE" != avx512 ] || avx2="$avx2 -D__AVX512F__ -I tests/aarch64/avx512 -Wno-psabi -O1"
for source in $(find $core -name '*.c' ! -name native.c); do
    case $source in */isa_avx2_*) isa=$avx2 ;; */isa_avx512_*) isa=$avx512 ;; *) isa=$base ;; esac
    $compiler $flags $isa -c "$source" -o "$folder/$(basename "$source" .c).o" &
done
wait
$compiler $flags $base "$@" tests/aarch64/driver.c "$folder"/*.o -lpthread -lm -o "$output"
