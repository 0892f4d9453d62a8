#!/bin/sh
# The numeric contract across compilers and architectures: builds the driver with every compiler found, runs it on every
# fma instruction set this machine can run (aarch64 under user-mode emulation), and compares what it prints.
# Run from the project's root.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
here=tests/c
count=0

run() { # NAME COMMAND...: keeps the lines after the first, which names the instruction set
    name=$1
    shift
    "$@" >"$folder/$name.all"
    sed 1d "$folder/$name.all" >"$folder/$name.out"
    count=$((count + 1))
    [ "$count" -gt 1 ] || cp "$folder/$name.out" "$folder/first"
    if ! cmp -s "$folder/first" "$folder/$name.out"; then
        echo "$name has other bits:"
        diff "$folder/first" "$folder/$name.out" || true
        exit 1
    fi
    echo "same bits: $name"
}

for compiler in gcc clang; do
    command -v $compiler >/dev/null || { echo "not found: $compiler"; continue; }
    $here/build.sh $compiler driver.c "$folder/driver-$compiler"
    case $(uname -m) in
    x86_64) isas="avx2 avx512" ;;
    *) isas=neon ;;
    esac
    for isa in $isas; do
        if [ "$isa" = avx512 ] && ! grep -q avx512bw /proc/cpuinfo; then
            [ $compiler = gcc ] || continue
            EMULATE=avx512 $here/build.sh gcc driver.c "$folder/driver-emulated"
            run gcc-avx512-emulated "$folder/driver-emulated" avx2
            continue
        fi
        run "$compiler-$isa" "$folder/driver-$compiler" "$isa"
    done
done

if command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null; then
    $here/build.sh aarch64-linux-gnu-gcc driver.c "$folder/driver-aarch64" -static
    run aarch64-neon qemu-aarch64 "$folder/driver-aarch64"
else
    echo "not found: aarch64-linux-gnu-gcc and qemu-aarch64"
    [ -z "$CI" ] || exit 1
fi
