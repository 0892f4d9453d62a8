#!/bin/sh
# Walks the allocations of every call, each failing in turn (alloc.c), under the address and undefined-behaviour sanitizers.
# Run from the project's root; the compiler is CC or gcc.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tests/c/build.sh "${CC:-gcc}" alloc.c "$folder/alloc" -DFM_TEST_ALLOC -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
"$folder/alloc"
