#!/bin/sh
# The numeric contract across compilers, systems and architectures: builds the driver with every compiler found, runs it on
# every fma instruction set this machine can run (aarch64 under user-mode emulation, Windows under Wine), and compares what
# it prints.  With CI=1 a missing compiler is an error; Wine may be missing.  OBJECTS_gcc and OBJECTS_clang may name folders
# with the objects of setup.py's builds by these compilers, which then need not compile.  Run from the project's root.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
count=0

build() { # COMPILER [FLAGS...]: the folder that it puts the driver in
    built=$(mktemp -d -p "$folder")
    compiler=$1
    shift
    tests/c/build.sh "$compiler" "$built" driver "$@" >&2
    echo "$built"
}

run() { # NAME COMMAND...: keeps the lines after the first, which names the instruction set
    name=$1
    shift
    "$@" >"$folder/$name.all" 2>"$folder/$name.errors" || { cat "$folder/$name.all" "$folder/$name.errors"; exit 1; }
    sed 1d "$folder/$name.all" | tr -d '\r' >"$folder/$name.out"
    count=$((count + 1))
    [ "$count" -gt 1 ] || cp "$folder/$name.out" "$folder/first"
    if ! cmp -s "$folder/first" "$folder/$name.out"; then
        echo "$name has other bits:"
        diff "$folder/first" "$folder/$name.out" || true
        exit 1
    fi
    echo "same bits: $name"
}

found() { # COMMAND...: whether all are there
    for command in "$@"; do
        command -v "$command" >/dev/null && continue
        echo "not found: $command"
        [ -z "$CI" ] || exit 1
        return 1
    done
}

has_avx512() { grep -q avx512bw /proc/cpuinfo; }
has_vnni() { grep -q avx512_vnni /proc/cpuinfo; }
has_bf16() { grep -q avx512_bf16 /proc/cpuinfo && grep -q AuthenticAMD /proc/cpuinfo; }
has_amx() { grep -q amx_int8 /proc/cpuinfo; }

native() { # the instruction sets of this machine
    case $(uname -m) in
    x86_64)
        echo avx2
        ! has_avx512 || echo avx512
        ! has_vnni || echo vnni
        ! has_bf16 || echo bf16
        ! has_amx || echo amx
        ;;
    *) echo neon ;;
    esac
}

for compiler in gcc clang; do
    found $compiler || continue
    built=$(OBJECTS=$(printenv "OBJECTS_$compiler") build $compiler)
    for isa in $(native); do run "$compiler-$isa" "$built/driver" "$isa"; done
done

if [ "$(uname -m)" = x86_64 ] && ! has_avx512; then
    built=$(EMULATE=avx512 build gcc)
    run gcc-avx512-emulated "$built/driver" avx2
fi

if found aarch64-linux-gnu-gcc qemu-aarch64; then
    built=$(build aarch64-linux-gnu-gcc -static)
    run aarch64-neon qemu-aarch64 "$built/driver"
fi

if found x86_64-w64-mingw32-gcc; then
    built=$(build x86_64-w64-mingw32-gcc -static)
    if [ "$(uname -m)" = x86_64 ] && command -v wine >/dev/null; then
        # a prefix of its own; what Wine says of itself is not the driver's
        export WINEPREFIX="$folder/wine" WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml=" DISPLAY=
        timeout 120 wine cmd /c exit >/dev/null 2>&1 || true # makes the prefix
        for isa in $(native | grep -v amx); do run "windows-$isa" timeout 60 wine "$built/driver.exe" "$isa"; done
        wineserver -k 2>/dev/null || true
    else
        echo "built for Windows; not run, as Wine is not here"
    fi
fi
