#!/bin/sh
# Goal: libtakt exports what takt.h declares, and nothing else. Method: nm of the static and of the
# shared library beside the functions that the header marks TAKT_API.
# Usage: libtakt_symbols.sh libtakt.a libtakt.so takt.h
set -eu
told=$(grep -A1 '^TAKT_API' "$3" | grep -oE '\*?\btakt_[a-z0-9_]+\(' | tr -d '*(' | sort -u)
check() { # number, name, what nm prints
    got=$(printf '%s\n' "$3" | awk 'NF == 3 { print $3 }' | grep -vE '^(__asan|__odr_asan|__ubsan|__tsan)' | sort -u)
    if [ -n "$told" ] && [ "$got" = "$told" ]; then
        echo "ok $1 - $2 exports takt.h"
    else
        echo "not ok $1 - $2 exports takt.h"
        printf '%s\n%s\n' "$told" "$got" | sort | uniq -u | sed 's/^/# only in one of the two: /'
    fi
}
echo 1..2
check 1 "the static library" "$(nm -g --defined-only "$1")"
check 2 "the shared library" "$(nm -D --defined-only "$2")"
