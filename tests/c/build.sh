#!/bin/sh
# build.sh COMPILER FOLDER DRIVERS [FLAGS...]: drivers of this folder, each with the C core, into FOLDER; with setup.py's flags
# and then those.  Run from the project's root, for example:
#   tests/c/build.sh aarch64-linux-gnu-gcc /tmp driver -static
# With IDLE="baseline avx2" these instruction sets are built quickly and without FLAGS, for drivers that will not run them.
# With OBJECTS=FOLDER the core is not compiled: its objects are under this folder, as setup.py has left them.
# With EMULATE=avx512 the drivers' "avx2" is the AVX-512 code, lane by lane in instructions of AVX2.
set -e
compiler=$1 folder=$2 drivers=$3
shift 3
core=src/fastmlp/csrc
flags="-std=gnu11 -O3 -fno-fast-math -ffp-contract=off -fno-math-errno -fvisibility=hidden -Wall -Wextra -Werror"
flags="$flags -I $core -I src/fastmlp/include"
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
target=$($compiler -dumpmachine)
case $target in
x86_64*)
    base="-march=x86-64 -mno-avx -mno-mmx"
    avx2="-march=x86-64 -mno-avx512f -mavx2 -mfma -mno-mmx"
    avx512="-march=x86-64 -mfma -mavx512f -mavx512dq -mavx512vl -mavx512bw -mprefer-vector-width=512 -mno-mmx"
    vnni="$avx512 -mavx512vnni"
    bf16="$vnni -mavx512bf16"
    amx="$bf16 -mamx-tile -mamx-bf16 -mamx-int8"
    ;;
*) base="" avx2="" avx512="" vnni="" bf16="" amx="" ;;
esac
# as in setup.py: the stack of Windows
case $target-$compiler in *mingw32*gcc*) flags="$flags -Wa,-muse-unaligned-vector-move" ;; esac
[ "$EMULATE" != avx512 ] || avx2="$avx2 -D__AVX512F__ -I tests/c/avx512 -Wno-psabi -O1"
jobs="" free=$(nproc)
oldest() { # waits for the job that was begun first
    wait "${jobs%% *}"
    jobs=${jobs#* } free=$((free + 1))
}
sources=$(find $core -name '*.c')
if [ -n "$OBJECTS" ]; then
    find "$OBJECTS" -path "*/$core/*.o" -exec cp {} "$objects" \;
    [ "$(ls "$objects" | wc -l)" = "$(echo "$sources" | wc -l)" ] || { echo "$OBJECTS does not hold an object of each file"; exit 1; }
    sources=""
fi
for file in $sources; do
    case $file in
    */isa_avx2_*) isa=$avx2 ;; */isa_avx512_*) isa=$avx512 ;; */isa_vnni_*) isa=$vnni ;; */isa_bf16_*) isa=$bf16 ;;
    */isa_amx_*) isa=$amx ;; *) isa=$base ;;
    esac
    own="$*"
    for set in $IDLE; do case $file in */isa_"$set"_*) own="-O0 -w" ;; esac; done
    [ "$free" -gt 0 ] || oldest
    $compiler $flags $isa $own -c "$file" -o "$objects/$(basename "$file" .c).o" &
    jobs="$jobs$! " free=$((free - 1))
done
while [ -n "$jobs" ]; do oldest; done
for driver in $drivers; do
    $compiler $flags $base "$@" "tests/c/$driver.c" "$objects"/*.o -lpthread -lm -o "$folder/$driver"
done
