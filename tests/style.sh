#!/usr/bin/env bash
# The rules of the house that a program can check; prints TAP, one line a rule and file group.
# Reads the tree and the objects of build/ (the symbol rule needs them). Changes nothing.
set -uo pipefail
cd "$(dirname "$0")/.."

# The rules are about what is in the repository; a tree without git has no such list.
if [ -z "$(git ls-files meson.build 2>/dev/null)" ]; then
    echo "ok - style # SKIP not a git clone, or no git"
    exit 0
fi

# verdict NAME FINDINGS: ok when FINDINGS is empty.
wrong=0
verdict() {
    if [ -z "$2" ]; then
        echo "ok - $1"
    else
        wrong=1
        echo "not ok - $1"
        head -n 20 <<<"$2" | sed 's/^/#   /'
    fi
}

# lwIP's own files, as far as we patch them, keep lwIP's style.
mapfile -t c_files < <(git ls-files '*.c' '*.h' | grep -v '^subprojects/')
mapfile -t headers < <(git ls-files '*.h')
mapfile -t scripts < <(git ls-files | while read -r f; do
    [ -f "$f" ] && head -c 64 "$f" | head -n 1 | grep -qaE '^#!.*\bbash|^#!.*/sh' && echo "$f"; done)
mapfile -t pythons < <(git ls-files '*.py')

check_scripts() {
    local f bad=
    for f in "${scripts[@]}"; do
        bash -n "$f" 2>/dev/null || bad+="$f"$'\n'
        [ -x "$f" ] || bad+="$f is not executable"$'\n'
    done
    verdict "shell scripts are clean under bash -n and executable" "$bad"
}

check_pythons() {
    verdict "Python files parse" "$(for f in "${pythons[@]}"; do
        /usr/bin/python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$f" \
            2>&1 | tail -n 1 | sed "s#^#$f: #"; done)"
}

check_text() {
    verdict "C files are under 800 lines" \
        "$(wc -l "${c_files[@]}" | awk '$2 != "total" && $1 >= 800 { print $2, $1 }')"
    verdict "C files keep to 100 columns" "$(LC_ALL=C.UTF-8 grep -nE '.{101,}' "${c_files[@]}" |
        sed -E 's/^([^:]*:[0-9]+):.*/\1/')"
    verdict "C files have no tabs and no blanks at line ends" \
        "$(grep -nE $'\t|[[:blank:]]$' "${c_files[@]}" | cut -c1-100)"
    # Written with a class, so that this line does not find itself.
    verdict "nothing is left for later" "$(git ls-files | grep -vE '^LICENSE$|^tests/fuzz/corpus/' |
        tr '\n' '\0' | xargs -0 grep -nIwE 'TOD[O]|FIXM[E]|XX[X]|HAC[K]' | cut -c1-120)"
    verdict "no typedef of a struct" \
        "$(grep -nE '^[[:space:]]*typedef[[:space:]]+(struct|union|enum)[^(]*$' "${c_files[@]}")"
}

# Functions begin at column 0 and end with a brace at column 0 (clang-format sees to that).
check_functions() {
    local long
    long=$(awk '
        FNR == 1 { start = 0 }
        /^[A-Za-z_].*\(/ && !/;[ \t]*$/ { name = $0; if (!start) at = FNR }
        /^\{[ \t]*$/ || (/^[A-Za-z_].*\).*\{[ \t]*$/ && !/=/) { if (!start) { start = at; total++ } }
        /^\}[ \t]*$/ { if (start && FNR - start > 70) {
                           print FNR - start, FILENAME ":" start, substr(name, 1, 60); over++ }
                       start = 0 }
        END { print "total", total + 0, over + 0 }' $(git ls-files '*.c'))
    verdict "no function over 100 lines" "$(awk '$1 != "total" && $1 > 100' <<<"$long")"
    verdict "at most 1 function in 50 over 70 lines" "$(awk '
        $1 == "total" { if ($3 * 50 > $2) bad = 1; next } { lines = lines $0 "\n" }
        END { if (bad) printf "%s", lines }' <<<"$long")"
}

# What a folder may include from the tree (STYLE: base <- consensus, store <- dataplane <- tools).
check_layers() {
    local folder may
    while read -r folder may; do
        verdict "$folder/ includes only $may" "$(git ls-files "$folder/*.c" "$folder/*.h" |
            xargs -r grep -nE '^#include "' | grep -vE "#include \"($may)[/\"]")"
    done <<'TABLE'
base base
consensus base|consensus
store base|store
dataplane base|store|dataplane|lwip|netif|consensus/peer_message.h
tools base|consensus|store|dataplane|tools
TABLE
    verdict "DPDK is seen by dataplane/port/ and the tests of its device only" "$(git ls-files '*.c' '*.h' |
        grep -vE '^(dataplane/port/|tests/unit/test_device_)' | xargs -r grep -nE '#include <rte_')"
    verdict "nothing includes tests/ or perf/" "$(git ls-files '*.c' '*.h' | grep -vE '^(tests|perf)/' |
        xargs -r grep -nE '#include "(tests|perf)/')"
}

check_headers() {
    local f flags bad=
    flags="-std=gnu17 -D_GNU_SOURCE -I. -Ibuild $(pkg-config --cflags libdpdk liburcu-qsbr libzstd \
        libxxhash yaml-0.1 libedit 2>/dev/null)"
    for f in $(git ls-files | grep '^dataplane/.*lwipopts\.h$' | xargs -rn1 dirname | sort -u); do
        flags+=" -I$f"
    done
    local compilers=(gcc) cc
    command -v clang >/dev/null && compilers+=(clang)
    for f in "${headers[@]}"; do
        # lwIP's configuration is included by lwIP, and DPDK may be absent.
        case $f in */lwipopts.h | */arch/cc.h) continue ;; esac
        if grep -q '#include <rte_' "$f" && ! pkg-config --exists libdpdk; then continue; fi
        if grep -qE '#include "lwip/' "$f"; then continue; fi
        for cc in "${compilers[@]}"; do
            $cc $flags -fsyntax-only -x c "$f" 2>/tmp/style.$$ ||
                bad+="$cc $f: $(grep -m1 error /tmp/style.$$)"$'\n'
        done
    done
    rm -f /tmp/style.$$
    verdict "each header compiles alone with ${compilers[*]}" "$bad"
}

# A global symbol starts with its file's stem (role_x.c may say x_), with a struct that its header is
# about, or with the name of the module that the file is a part of (x_y.c beside x.h or x_parts.h may
# say x_). Test programs and mains are free.
check_symbols() {
    local object stem structs bad=
    command -v nm >/dev/null || { echo "ok - symbols start with their file's stem # SKIP no nm"; return; }
    while read -r object; do
        stem=$(basename "$object" .c.o)
        stem=${stem##*_..}
        stem=${stem%_absent} # stands in for the module in a build without its library
        [ -n "$(git ls-files "*/$stem.c")" ] || continue
        structs=$(git ls-files "*/$stem.h" | xargs -r sed -nE 's/^struct ([a-z0-9_]+) \{.*/\1/p')
        local family=${stem%%_*}_
        [ -n "$(git ls-files "*/${family%_}.h" "*/${family}parts.h")" ] || family=$stem
        bad+=$(nm --defined-only --extern-only "$object" | awk -v s="$stem ${stem#role_} $family $structs" -v o="$object" '
            $3 == "main" { next }
            o ~ /memif_guard/ && $3 == "rte_intr_callback_unregister" { next } # in place of the one of DPDK
            { n = split(s, start); for (i = 1; i <= n; i++) if (index($3, start[i]) == 1) next
              print o ": " $3 }')
    done < <(find build -path '*.a.p/*.c.o' | grep -E '^build/(base|consensus|store|dataplane|tools)/')
    verdict "symbols start with their file's stem" "$bad"
}

check_folders() {
    local d bad=
    for d in $(git ls-files | grep -E '\.(c|py)$' | grep -v ^subprojects/ | xargs -n1 dirname | sort -u); do
        [ -f "$d/README.md" ] || [ -f "$(dirname "$d")/README.md" ] || bad+="$d"$'\n'
    done
    verdict "folders have a README.md" "$bad"
    bad=
    for d in $(git ls-files 'tests/unit/test_*.c'); do
        grep -q "'$(basename "$d" .c | sed 's/^test_//')'" tests/unit/meson.build || bad+="$d"$'\n'
    done
    verdict "each unit test is in tests/unit/meson.build" "$bad"
}

# A setting that nothing reads would be a promise that is not kept.
check_settings() {
    local field bad=
    [ -f tools/taktd/node.c ] || return
    for field in $(grep -oE '\bAT\([a-z0-9_]+\)' tools/taktd/config_table.c | tr -d '()' | cut -c3- |
        grep -vxE 'field|servers'); do
        git ls-files 'tools/taktd/*.c' | grep -vE '/config(_[^e][a-z]*)?\.c' |
            xargs grep -qE "(->|\.|, *)$field\b" || bad+="$field"$'\n'
    done
    verdict "each setting is used" "$bad"
}

check_scripts
check_pythons
check_text
check_functions
check_layers
check_headers
check_symbols
check_folders
check_settings
exit $wrong
