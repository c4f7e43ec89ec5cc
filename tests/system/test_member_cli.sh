#!/usr/bin/env bash
# takt member, takt status and the shell's reconfig at three taktd of this machine's loopback. TAP.
#
# usage: tests/system/test_member_cli.sh [path of the build directory]
#   Every server is ours: started on free ports below a new directory, killed at the end.
set -uo pipefail
cd "$(dirname "$0")/../.."
case ${1:-} in -*) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
build=${1:-build}
takt=$build/tools/takt
work=$(mktemp -d)
number=0 failed=0
export NO_COLOR=1
declare -A pids
# super:secret, as printf super:secret | openssl sha1 -binary | base64 has it
super=super:$(printf super:secret | openssl sha1 -binary | base64)
auth=(--auth digest:super:secret)
cleanup() {
    local pid
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null; done
    wait 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

ok() { number=$((number + 1)); echo "ok $number - $1"; }
not_ok() {
    number=$((number + 1)) failed=$((failed + 1))
    echo "not ok $number - $1"
    printf '%s\n' "${@:2}" | sed 's/^/#   /'
}

# Ports of one run: peers at base + 10 + N, the unused election ports at + 20, clients at base + N.
# Below the ports that the kernel gives to whoever connects (32768 and up).
base=$((20000 + RANDOM % 120 * 100))
client() { echo "127.0.0.1:$((base + $1))"; }
line() { echo "127.0.0.1:$((base + 10 + $1)):$((base + 20 + $1)):$2;127.0.0.1:$((base + $1))"; }

# start N SERVERS...: taktd N with these servers, each "ID=line".
start() {
    local id=$1 server
    shift
    mkdir -p "$work/$id"
    echo "$id" >"$work/$id/myid"
    {
        echo "dataDir=$work/$id"
        echo "reconfigEnabled=true"
        echo "DigestAuthenticationProvider.superDigest=$super"
        for server in "$@"; do echo "server.$server"; done
    } >"$work/$id.cfg"
    # slow elections: this is about the commands, on a machine that others use too
    "$build/tools/taktd" --config "$work/$id.cfg" --set ensemble.heartbeat=50ms \
        --set ensemble.election_min=300ms --set ensemble.election_max=600ms \
        >"$work/$id.log" 2>&1 &
    pids[$id]=$!
}

asked=$(client 1),$(client 2),$(client 3)
member() { timeout 40 "$takt" member -s "$asked" "$@" 2>"$work/stderr"; }

# says NAME CODE REGEX WORDS...: takt member WORDS ends with CODE, and stdout and stderr match.
says() {
    local name=$1 code=$2 regex=$3 got real
    shift 3
    got=$(member "$@" | tr '\n' '|'; exit "${PIPESTATUS[0]}")
    real=$?
    got+=$(tr '\n' '|' <"$work/stderr")
    if [ "$real" = "$code" ] && [[ $got =~ $regex ]]; then
        ok "$name"
    else
        not_ok "$name" "takt member $*: code $real, wanted $code and: $regex" "got: $got"
    fi
}

# The number of the one that leads, or nothing.
leader() {
    local id
    for id in "${!pids[@]}"; do
        "$takt" status -s "$(client "$id")" -t 3 2>/dev/null | grep -q '^mode  *leader$' && echo "$id" && return
    done
}

three=("1=$(line 1 participant)" "2=$(line 2 participant)" "3=$(line 3 participant)")
for id in 1 2; do start $id "${three[@]}"; done
for id in 1 2; do # until both answer; the third is not there, so no ensemble can begin
    for _ in $(seq 300); do
        "$takt" status -s "$(client $id)" 2>/dev/null | grep -q '^state  *looking$' && break
        sleep 0.1
    done
done
says "list before the ensemble begins says how each stands" 1 \
    "^takt: $(client 1): looking[|]takt: $(client 2): looking[|]takt: $(client 3): cannot connect[^|]*[|].*all of its servers are up" list
got=$("$takt" ready -s "$(client 1)" 2>&1; echo "code $?")
if [[ $got == *"not ready within 0 s"*"it runs, but nobody leads it: takt status --server $(client 1)"*"code 1" ]]; then
    ok "ready of a server that nobody leads says so"
else
    not_ok "ready of a server that nobody leads says so" "$got"
fi
start 3 "${three[@]}"
if timeout 40 "$takt" ready -s "$(client 1)" --timeout 30 2>"$work/stderr"; then
    ok "three servers begin an ensemble"
else
    not_ok "three servers begin an ensemble" "$(cat "$work"/*.log)"
fi

says "list shows every server and what it is" 0 \
    "1 +participant.*(leader|follower).*2 +participant.*3 +participant.*version [0-9a-f]+" list
says "list as JSON" 0 '"servers": \[\{"id": 1, "role": "participant".*"answers": true, "state": "' \
    list -o json
says "a change needs the right" 1 "NoAuth: who changes the membership must be super" demote 3
says "credentials that are none" 2 "--auth takes SCHEME:CREDENTIALS" demote 3 --auth secret
says "credentials that are wrong are no right" 1 "NoAuth" demote 3 --auth digest:super:wrong
echo secret >"$work/none" && echo digest:super:secret >"$work/super" && : >"$work/empty"
says "a file of credentials that is none" 1 "--auth @$work/gone: No such file" demote 3 --auth "@$work/gone"
says "a file of credentials that is empty" 1 "the file is empty" demote 3 --auth "@$work/empty"
says "a file of no credentials" 2 "--auth @FILE: the file's first line takes SCHEME" demote 3 --auth "@$work/none"
auth=(--auth "@$work/super")
says "demote makes an observer" 0 "server.3=[^|]*:observer;.*version=[0-9a-f]+" demote 3 "${auth[@]}"
says "demote again changes nothing" 0 "is an observer already" demote 3 "${auth[@]}"
says "an observer cannot lead" 1 "there is no voter 3" transfer 3 "${auth[@]}"
says "one voter is not enough with standaloneEnabled" 1 "BadArguments" demote 2 "${auth[@]}"
says "promote makes a voter" 0 "server.3=[^|]*:participant;" promote 3 "${auth[@]}"

to=2
[ "$(leader)" = 2 ] && to=3
says "transfer hands leadership over" 0 "^server $to leads" transfer $to "${auth[@]}"
says "who is nobody cannot lead" 1 "there is no voter 9" transfer 9 "${auth[@]}"
says "a server without a client port is refused here" 2 "has no client part" \
    add "4=127.0.0.1:1:2" "${auth[@]}"
says "nonsense is refused here" 2 "is not a server" add "4=127.0.0.1" "${auth[@]}"
says "somebody else's port is refused there" 1 "BadArguments" add "4=$(line 1 observer)" "${auth[@]}"

start 4 "${three[@]}" "4=$(line 4 participant)"
says "add lets a running server in when it has caught up" 0 "server.4=[^|]*:participant;" \
    add "4=$(line 4 participant)" "${auth[@]}"
says "list knows it" 0 "4 +participant.*version" list
if got=$("$takt" sh -s "$(client 1)" -c 'create /m x' &&
    timeout 20 "$takt" sh -s "$(client 4)" -c 'sync / ; get /m') && [[ $got == *x ]]; then
    ok "the new server has the data"
else
    not_ok "the new server has the data" "$got" "$(tail -n 5 "$work/4.log")"
fi
says "add of a member with another line is refused, with its own" 1 \
    "server 4 is a member already: [^|]*:participant;[^|]*another id, or --replace" \
    add "4=$(line 4 observer)" "${auth[@]}"
says "list: it is as before" 0 "4 +participant.*version" list
says "add of a member with its own line changes nothing" 0 "a member already, with this line" \
    add "4=$(line 4 participant)" "${auth[@]}"
says "add --replace puts another line in its place" 0 "server.4=[^|]*:observer;" \
    add "4=$(line 4 observer)" --replace "${auth[@]}"
all=$asked asked=$(client 4) # who leaves is asked: it may hang up before it answers
says "remove takes it out" 0 "^server.1=[^|]*[|]server.2=[^|]*[|]server.3=[^|]*[|]version=" remove 4 "${auth[@]}"
asked=$(client 4),$all
says "list takes the newest membership" 0 "3 +participant[^|]*[|]version" list
asked=$all
says "remove of nobody" 1 "there is no server 4" remove 4 "${auth[@]}"
says "a word too many" 2 "remove takes one id" remove 3 4
says "no such thing" 2 "nothing that member does" vote

got=$(timeout 20 "$takt" sh -s "$(client 2)" \
    -c 'addauth digest super:secret ; reconfig -r 3 -v 1' 2>&1)
if [[ $got == *BadVersion* ]]; then ok "the shell's reconfig with an old version"; else
    not_ok "the shell's reconfig with an old version" "$got"; fi
got=$(timeout 20 "$takt" sh -s "$(client 2)" -c "addauth digest super:secret ; \
    reconfig -a 'server.3=$(line 3 observer)'" 2>&1)
if [[ $got == *"server.3="*":observer;"*"version="* ]]; then ok "the shell's reconfig"; else
    not_ok "the shell's reconfig" "$got"; fi

# The leader dies; with one voter of two left nobody leads, and status says so.
id=$(leader)
other=$((3 - id))
kill -9 "${pids[$id]}"
sleep 2
got=$("$takt" status -s "$(client $other)" 2>&1 | tr '\n' '|')
if [[ $got == *"serves nobody now"*"state "*looking*"member of the ensemble "*yes"|acknowledged from "*disk* ]]; then
    ok "status of a server that nobody leads"
else
    not_ok "status of a server that nobody leads" "$got"
fi
got=$(timeout 8 "$takt" member list --server "$(client $other)" 2>&1 | tr '\n' '|')
if [[ $got == *"no answer"*"version "* ]]; then
    ok "member list while nobody leads"
else
    not_ok "member list while nobody leads" "$got"
fi
got=$("$takt" status -s "$(client 1),$(client 2)" 2>&1 | tr '\n' '|'; exit "${PIPESTATUS[0]}")
code=$?
if [ $code = 2 ] && [[ $got == *"status asks one server, not the list"*"takt member list --server"* ]]; then
    ok "status of a list says who shows it"
else
    not_ok "status of a list says who shows it" "code $code: $got"
fi

# Server lines as ZooKeeper 3.4 had them: where clients go is only in each server's own clientPort.
for id in 5 6; do
    mkdir "$work/$id"
    echo $id >"$work/$id/myid"
    printf '%s\n' "dataDir=$work/$id" "clientPort=$((base + id))" clientPortAddress=127.0.0.1 \
        "server.5=127.0.0.1:$((base + 15)):$((base + 25))" \
        "server.6=127.0.0.1:$((base + 16)):$((base + 26))" >"$work/$id.cfg"
    "$build/tools/taktd" --config "$work/$id.cfg" >"$work/$id.log" 2>&1 &
    pids[$id]=$!
done
timeout 40 "$takt" ready -s "$(client 5)" --timeout 30 2>"$work/stderr"
got=$("$takt" member list -s "$(client 5)" 2>&1 | tr '\n' '|'; exit "${PIPESTATUS[0]}")
code=$?
if [ $code = 0 ] && [[ $got =~ \|[56]\ +participant\ [^\|]*no\ client\ port\ known\ +not\ asked && $got == *"1 not asked: where clients reach it"* && $got != *"no answer"* ]]; then
    ok "list of a server without a client port says so"
else
    not_ok "list of a server without a client port says so" "code $code: $got" "$(cat "$work/5.log")"
fi
got=$("$takt" member list -s "$(client 5)" -o json 2>/dev/null)
if [[ $got == *'"client": null, "answers": null'* ]]; then
    ok "list as JSON: who was not asked"
else
    not_ok "list as JSON: who was not asked" "$got"
fi
echo "1..$number"
exit $((failed > 0))
