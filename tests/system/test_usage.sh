#!/usr/bin/env bash
# Each option of each verb of takt, with a value that makes no sense: exit code 2, and nothing is asked. TAP.
#
# usage: tests/system/test_usage.sh [path of the build directory]
#   The options are read from --help, so a new one is tested without being named here. Texts that may be
#   anything (files, paths, names) are told by what help calls them.
set -uo pipefail
cd "$(dirname "$0")/../.."
case ${1:-} in -*) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
takt=${1:-build}/tools/takt number=0 failed=0
free=' COMMANDS DIR FILE FILE.svg NIC PATH DRIVER OPTIONS SCHEME:AUTH '

# usage_error WORDS...: takt WORDS ends with code 2 and one sentence
usage_error() {
    local said code
    said=$(timeout 10 "$takt" "$@" 2>&1 >/dev/null </dev/null)
    code=$?
    number=$((number + 1))
    if [ $code = 2 ] && [[ $said == takt:\ ?* ]]; then
        echo "ok $number - takt $*"
    else
        failed=$((failed + 1))
        printf 'not ok %d - takt %s\n#   code %d, wanted 2: %s\n' "$number" "$*" "$code" "${said:0:200}"
    fi
}

verbs=$("$takt" --help | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p' | sort -u)
for verb in $verbs; do
    words=
    case $verb in # what must stand before the options
    member) words=list ;;
    cores) words=show ;;
    nic) words=list ;;
    log) words='verify x' ;;
    snapshot) words='verify x' ;;
    esac
    while read -r option arg; do
        [[ $free == *" $arg "* ]] || usage_error "$verb" $words "$option=nonsense!:x"
    done < <("$takt" "$verb" --help | sed -n 's/^ *\(-., *\)\{0,1\}\(--[a-z-]*\) \([A-Z][A-Za-z.:,]*\) .*/\2 \3/p')
    usage_error "$verb" $words --no-such-option
done

while read -r line; do
    # shellcheck disable=SC2086
    [ -z "$line" ] || usage_error $line
done <<'END'
nosuch
status one-word-too-many
status --server a:1,b:2
ready --server a:
ready one-word-too-many
sh --server [::1 -c ls
sh one-word-too-many
member nonsense
member list one-word-too-many
member add
member add nonsense
member add 4=x
member add 4=h:2888:3888
member add 4=h:2888:3888;2181 --auth super
member remove
member remove x
member remove 0
member remove 255
member promote x
member demote -1
member transfer 1x
bench --ops nonsense
bench --ops get --root no-slash
bench --ops get --duration 0
bench --scenario beat --server a:x
bench --scenario beat --ops create
bench --threads 2 --scenario watch
bench one-word-too-many
cores
cores nonsense
cores move
cores move core
cores move core x
cores move core 1 2
cores show one-word-too-many
doctor --cpus 3-1
doctor one-word-too-many
jitter --cpus x
jitter --seconds 0
jitter one-word-too-many
top --interval 0
top one-word-too-many
trace --count 0
trace one-word-too-many
latency one-word-too-many
nic nonsense
nic bind
nic unbind
log
log nonsense x
snapshot
snapshot nonsense x
snapshot diff a
END
echo "1..$number"
[ $failed = 0 ]
