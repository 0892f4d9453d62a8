#!/bin/sh
# sanitize.sh address|thread [--quick]: the C drivers, then without --quick the fast suite, built with gcc's address and
# undefined-behaviour sanitizers or with its thread sanitizer.  Run from the project's root, in an environment that can
# build and test the package; what is built goes to a folder of its own.
set -e
fixed=""
# it counts allocations by a library of its own in front of all others
apart="--deselect tests/unit/test_headers.py::test_one_row_allocates_nothing"
case $1 in
address) flags="-fsanitize=address,undefined -fno-sanitize-recover=all" library=libasan.so drivers="driver alloc" ;;
thread)
    flags="-fsanitize=thread" library=libtsan.so drivers=driver
    apart="$apart --deselect tests/unit/test_browser_page.py" # no browser starts under it
    # what reads the weights that another thread's fit is writing: it is allowed, and a race by the letter
    for test in training/test_fit_threads.py::test_predict_during_fit_is_safe test_native.py::test_a_call_during_a_fit_is_safe \
        test_network_threads.py::test_a_fit_beside_calls_of_the_other_form; do
        apart="$apart --deselect tests/unit/$test"
    done
    ;;
*) echo "sanitize.sh address|thread [--quick]"; exit 2 ;;
esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
flags="$flags -g1 -fno-omit-frame-pointer"
export UBSAN_OPTIONS=print_stacktrace=1
# a forked child makes a pool of its own; threads of other libraries, which are not built with it, are not looked at
export TSAN_OPTIONS="halt_on_error=1 die_after_fork=0 ignore_noninstrumented_modules=1 report_signal_unsafe=0"
# the thread sanitizer has fixed addresses for its own memory, and a system that scatters mappings may take them
[ "$1" != thread ] || fixed="setarch $(uname -m) -R"

# the drivers run the widest instruction set
! grep -q avx2 /proc/cpuinfo || export IDLE=baseline
! grep -q avx512bw /proc/cpuinfo || export IDLE="baseline avx2"
grep -q amx_bf16 /proc/cpuinfo || IDLE="$IDLE amx"
tests/c/build.sh gcc "$folder" "$drivers" $flags -DFM_TEST_ALLOC -O1
for driver in $drivers; do
    echo "-- $1: $driver"
    $fixed "$folder/$driver"
done
[ "$2" != --quick ] || exit 0

echo "-- $1: the fast suite"
git ls-files -z | tar --null -T - -cf - | tar -xf - -C "$folder"
cd "$folder"
CFLAGS="$flags" LDFLAGS="$flags" python setup.py -q build_ext --inplace --debug
# Python frees little of what it holds at its end, so that leaks are looked for in the drivers alone; other packages throw
# C++ exceptions, whose library must be there before the sanitizer looks for it
export ASAN_OPTIONS=detect_leaks=0 PYTHONPATH=src PYTHONMALLOC=malloc
if [ "$1" = thread ]; then # under which polars does not start
    mkdir "$folder/without"
    echo 'raise ModuleNotFoundError("No module named \"polars\"", name="polars")' >"$folder/without/polars.py"
    export PYTHONPATH="src:$folder/without"
fi
libraries="$(gcc -print-file-name=$library) $(gcc -print-file-name=libstdc++.so.6)"
$fixed env LD_PRELOAD="$libraries" python -m pytest -x -p no:cacheprovider -p no:benchmark $apart
