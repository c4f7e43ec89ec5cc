#!/usr/bin/env bash
# Every shell command and every verb of `takt` at a running server, with what it must print. TAP.
#
# usage: tests/system/test_takt_cli.sh [HOST:PORT [path of the takt binary]]
#   Without an address it starts build/tools/taktd on a free port. Else the server may be takt or
#   ZooKeeper (3.7 or later). TTL nodes and hard quotas are tested where the server has them switched
#   on, and skipped by name where not. Works below one znode of its own, /takt-cli-PID, and removes it.
set -uo pipefail
cd "$(dirname "$0")/../.."
case ${1:-} in -*) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
server=${1:-} takt=${2:-build/tools/takt}
root=/takt-cli-$$
number=0 failed=0 taktd_pid=
work=$(mktemp -d)
export NO_COLOR=1
cleanup() {
    if [ -n "$taktd_pid" ]; then
        kill "$taktd_pid" 2>/dev/null
        wait "$taktd_pid" 2>/dev/null
    else
        "$takt" sh -s "$server" -c "addauth digest bob:pw ; deleteall $root" >/dev/null 2>&1
    fi
    rm -rf "$work"
}
trap cleanup EXIT

# With a port that somebody else took meanwhile taktd does not start, and another is tried.
start_taktd() {
    local try
    for try in 1 2 3 4 5; do
        server=127.0.0.1:$((20000 + RANDOM % 10000))
        beat=$server # of UDP
        build/tools/taktd --dev --listen "$server" --data "$work/data" \
            --set beat.listen="$beat" --set extendedTypesEnabled=true --set enforceQuota=true --set snapCount=1000 \
            >"$work/taktd.log" 2>&1 &
        taktd_pid=$!
        timeout 20 "$takt" ready -s "$server" --timeout 5 2>/dev/null &&
            kill -0 $taktd_pid 2>/dev/null && return
    done
    sed 's/^/# /' "$work/taktd.log"
}
[ -n "$server" ] || start_taktd

sh_() { timeout 30 "$takt" sh -s "$server" "${@:2}" -c "$1" 2>"$work/stderr"; }

ok() {
    number=$((number + 1))
    echo "ok $number - $1"
}

not_ok() {
    number=$((number + 1)) failed=$((failed + 1))
    echo "not ok $number - $1"
    printf '%s\n' "${@:2}" | sed 's/^/#   /'
}

skip() {
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $2"
}

# prints NAME COMMANDS WANTED: exit code 0, and stdout is exactly WANTED.
prints() {
    local got code
    got=$(sh_ "$2"; echo "code=$?")
    code=${got##*code=} got=${got%code=*} got=${got%$'\n'}
    if [ "$code" = 0 ] && [ "$got" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1" "code $code, wanted:" "$3" "got:" "$got" "$(cat "$work/stderr")"
    fi
}

# matches NAME COMMANDS REGEX...: exit code 0, and stdout (lines joined by |) matches each.
matches() {
    local got code name=$1 commands=$2 regex
    got=$(sh_ "$commands" | tr '\n' '|'; exit "${PIPESTATUS[0]}")
    code=$?
    shift 2
    for regex in "$@"; do
        if [ "$code" != 0 ] || ! [[ $got =~ $regex ]]; then
            not_ok "$name" "code $code, wanted: $regex" "got: $got" "$(cat "$work/stderr")"
            return
        fi
    done
    ok "$name"
}

# refuses NAME COMMANDS TEXT: exit code 1, and stderr holds TEXT.
refuses() {
    local code
    sh_ "$2" >"$work/stdout"
    code=$?
    if [ $code = 1 ] && grep -qF -- "$3" "$work/stderr"; then
        ok "$1"
    else
        not_ok "$1" "code $code, wanted code 1 and: $3" "got: $(cat "$work/stderr")"
    fi
}

# json NAME COMMANDS PYTHON: each line of the JSON output is in `a`; the expression must be true.
json() {
    local got
    got=$(sh_ "$2" -o json)
    if /usr/bin/python3 -c 'import json, sys
a = [json.loads(line) for line in sys.stdin]
sys.exit(not eval(sys.argv[1]))' "$3" <<<"$got" 2>"$work/python"; then
        ok "$1"
    else
        not_ok "$1" "$3" "got: $got" "$(tail -n 1 "$work/python")"
    fi
}

timeout 20 "$takt" ready -s "$server" --timeout 10 && ok "ready: the server answers" ||
    { not_ok "ready: the server answers"; echo "Bail out! no server at $server"; exit 1; }
timeout 20 "$takt" ready -s 127.0.0.1:1 2>/dev/null
[ $? = 1 ] && ok "ready: code 1 where nobody listens" || not_ok "ready: code 1 where nobody listens"

test_tree() {
    prints "create prints the path" "create $root" "$root"
    prints "create with data, get" "create $root/a 'x  y' ; get $root/a" "$root/a"$'\n'"x  y"
    prints "create without data gives empty data" "create $root/empty ; get $root/empty" \
        "$root/empty"$'\n'
    prints "quoted escapes arrive" "create $root/q \"t\\tn\\n\\x41\" ; get $root/q" \
        "$root/q"$'\n'"t"$'\t'"n"$'\n'"A"
    prints "sequence numbers follow the parent" \
        "create $root/s ; create -s $root/s/n- ; create -s $root/s/n-" \
        "$root/s"$'\n'"$root/s/n-0000000000"$'\n'"$root/s/n-0000000001"
    prints "an ephemeral lives with the session" \
        "create -e $root/e me ; create -e -s $root/e- ; getEphemerals $root" \
        "$root/e"$'\n'"$root/e-0000000005"$'\n'"$root/e"$'\n'"$root/e-0000000005"
    refuses "and ends with it" "get $root/e" "NoNode"
    prints "create -p makes parents" "create -p $root/p/q/r 1 ; ls $root/p/q" \
        "$root/p/q/r"$'\n'"r"
    prints "a container" "create -c $root/c ; create $root/c/d" "$root/c"$'\n'"$root/c/d"
    refuses "create says when it exists" "create $root/a" "NodeExists: $root/a exists already"
    refuses "create says when the parent is missing" "create $root/no/x" "NoNode"
    refuses "no children below an ephemeral" "create -e $root/e2 ; create $root/e2/x" \
        "NoChildrenForEphemerals"
    refuses "a path with a control character" "create \"$root/x\\x01\"" "BadArguments"
    if sh_ "create -t 60000 $root/ttl x" >/dev/null; then
        matches "a TTL node" "stat $root/ttl" "ephemeralOwner +0x0"
    elif grep -q Unimplemented "$work/stderr"; then
        skip "a TTL node" "the server has extendedTypesEnabled=false"
    else
        not_ok "a TTL node" "$(cat "$work/stderr")"
    fi
}

test_data() {
    matches "get -s shows the Stat" "get -s $root/a" "^x  y\|czxid +0x[0-9a-f]+\|" \
        "version +0\|" "dataLength +4\|numChildren +0\|"
    prints "set changes the data" "set $root/a new ; get $root/a" "new"
    matches "set -s shows the new version" "set -s $root/a newer" "version +2\|"
    prints "set -v with the right version" "set -v 2 $root/a 3rd ; get $root/a" "3rd"
    refuses "set -v with the wrong one" "set -v 2 $root/a 4th" "BadVersion"
    prints "data that looks like an option" "set $root/a '-v' ; get $root/a" "-v"
    matches "stat" "stat $root/a" "version +4\|" "ctime +20[0-9-]+ "
    refuses "stat of what is missing" "stat $root/nope" "NoNode"
    prints "ls is sorted" "create $root/l ; create $root/l/b ; create $root/l/a ; ls $root/l" \
        "$root/l"$'\n'"$root/l/b"$'\n'"$root/l/a"$'\n'"a"$'\n'"b"
    matches "ls -s and ls2 show the Stat" "ls -s $root/l ; ls2 $root/l" \
        "^a\|b\|czxid.*numChildren +2\|a\|b\|czxid.*numChildren +2\|$"
    prints "ls -R lists all below" "ls -R $root/l" "$root/l"$'\n'"$root/l/a"$'\n'"$root/l/b"
    prints "getAllChildrenNumber" "getAllChildrenNumber $root/l" "2"
    prints "rm" "rm $root/l/a ; ls $root/l" "b"
    refuses "rm of what has children" "rm $root/l" "NotEmpty"
    refuses "rm -v with the wrong version" "rm -v 5 $root/l/b" "BadVersion"
    prints "rm -v with the right one, by its other name" "delete -v 0 $root/l/b ; ls $root/l" ""
    prints "deleteall" "create $root/d ; create $root/d/x ; create $root/d/x/y ; deleteall $root/d" \
        "$root/d"$'\n'"$root/d/x"$'\n'"$root/d/x/y"
    refuses "nothing is left of it" "ls $root/d" "NoNode"
    prints "sync" "sync $root/a" ""
    matches "config" "config -s" "version"
}

test_access() {
    prints "getAcl of an open znode" "getAcl $root/a" "world:anyone:cdrwa"
    prints "setAcl and getAcl" "create $root/acl x ; setAcl $root/acl world:anyone:cdra ; getAcl $root/acl" \
        "$root/acl"$'\n'"world:anyone:cdra"
    refuses "then set is refused" "set $root/acl y" "NoAuth"
    matches "setAcl -v takes the ACL's version" \
        "setAcl -s -v 1 $root/acl world:anyone:cdrwa" "aversion +2\|"
    refuses "and refuses another" "setAcl -v 1 $root/acl world:anyone:r" "BadVersion"
    refuses "an ACL that the server does not know" "setAcl $root/acl nosuch:x:r" "InvalidACL"
    refuses "an ACL that does not parse" "setAcl $root/acl world:anyone:z" "cdrwa"
    prints "addauth, and auth in an ACL" \
        "addauth digest bob:pw ; create $root/mine s3cret auth::cdrwa ; get $root/mine" \
        "$root/mine"$'\n'"s3cret"
    prints "its digest is ZooKeeper's" "addauth digest bob:pw ; getAcl $root/mine" \
        "digest:bob:ikIaKsbtGweaHnb/jKn7OHqbunM=:cdrwa"
    refuses "nobody else reads it" "get $root/mine" "NoAuth"
    matches "whoami" "addauth digest bob:pw ; whoami" "ip:" "digest:bob\|"
    refuses "addauth of an unknown scheme" "addauth nosuch x" "AuthFailed"
}

test_watches() {
    prints "get -w: one event, once" \
        "get -w $root/a ; set $root/a 1 ; set $root/a 2 ; wait ; wait -n 0 0.2" \
        "-v"$'\n'"event changed $root/a"
    matches "stat -w sees the deletion" "create $root/w1 ; stat -w $root/w1 ; rm $root/w1 ; wait" \
        "event deleted $root/w1\|$"
    prints "ls -w sees a child" "ls -w $root/l ; create $root/l/k ; wait" \
        "event children $root/l"$'\n'"$root/l/k"
    prints "watch (recursive) sees all below" \
        "watch $root/l ; create $root/l/m ; set $root/l/m 1 ; rm $root/l/m ; wait -n 3" \
        "event created $root/l/m"$'\n'"$root/l/m"$'\n'"event changed $root/l/m"$'\n'"event deleted $root/l/m"
    prints "watch -m persistent stays" \
        "watch -m persistent $root/l ; set $root/l 1 ; set $root/l 2 ; create $root/l/o ; wait -n 3" \
        "event changed $root/l"$'\n'"event changed $root/l"$'\n'"event children $root/l"$'\n'"$root/l/o"
    prints "unwatch ends it" "watch $root/l ; unwatch $root/l ; set $root/l 3 ; wait -n 0 0.2" ""
    refuses "unwatch of nothing" "unwatch $root/a" "NoWatcher"
    refuses "wait says that nothing came" "wait 0.1" "did not come"
}

test_multi() {
    prints "multi" "multi create $root/m 1 ; set $root/m 2 ; check $root/m 1 ; create -s $root/m/s- ; delete $root/l/o" \
        "create $root/m"$'\n'"set $root/m version 1"$'\n'"check $root/m"$'\n'"create $root/m/s-0000000000"$'\n'"delete $root/l/o"
    refuses "a multi that fails names the operation" \
        "multi set $root/m 3 ; check $root/m 9 ; delete $root/m" "BadVersion: $root/m (operation 2, check"
    prints "and changes nothing" "get $root/m" "2"
    prints "a multi of reads" "multi get $root/m ; ls $root/m" \
        "get $root/m"$'\n'"2"$'\n'"ls $root/m"$'\n'"s-0000000000"
    local got
    got=$(sh_ "multi get $root/nope ; get $root/m")
    [ $? = 1 ] && [ "$got" = "get $root/nope NoNode"$'\n'"get $root/m"$'\n'"2" ] &&
        ok "a multi of reads tells of each" || not_ok "a multi of reads tells of each" "$got"
    refuses "reads and changes do not mix" "multi get $root/m ; delete $root/m" "do not mix"
}

test_quota() {
    prints "setquota, listquota" "create $root/quota ; setquota -n 3 -b 100 $root/quota ; listquota $root/quota" \
        "$root/quota"$'\n'"$root/quota"$'\n'"  count  used 1, soft limit 3"$'\n'"  bytes  used 0, soft limit 100"
    prints "usage follows" "create $root/quota/x 12345 ; listquota $root/quota" \
        "$root/quota/x"$'\n'"$root/quota"$'\n'"  count  used 2, soft limit 3"$'\n'"  bytes  used 5, soft limit 100"
    prints "setquota keeps the other limits; delquota -n drops one" \
        "setquota -N 2 $root/quota ; delquota -b $root/quota ; get /zookeeper/quota$root/quota/zookeeper_limits" \
        "count=3,bytes=-1=;countHardLimit=2"
    if sh_ "create $root/quota/y" >/dev/null; then
        skip "a hard quota refuses" "the server has enforceQuota=false"
        sh_ "rm $root/quota/y" >/dev/null
    else
        refuses "a hard quota refuses" "create $root/quota/y" "QuotaExceeded"
    fi
    refuses "no quota below a quota" "setquota -n 1 $root/quota/x" "which is above, has a quota"
    prints "delquota removes it" "delquota $root/quota ; ls /zookeeper/quota" ""
    refuses "then there is none" "listquota $root/quota" "has no quota"
}

test_forms() {
    json "-o json: get" "get $root/m" "a[0]['data'] == '2' and a[0]['stat']['version'] == 1"
    json "-o json: create, ls, rm" "create $root/j x ; ls $root/m ; rm $root/j" \
        "a[0]['path'] == '$root/j' and a[1]['children'] == ['s-0000000000'] and a[2]['command'] == 'rm'"
    json "-o json: an error" "get $root/nope" "a[0]['error'] == 'NoNode' and a[0]['code'] == -101"
    json "-o json: bytes that are no text" "create $root/b \"\\xff\\x00\" ; get $root/b" \
        "a[1]['data_hex'] == 'ff00'"
    json "-o json: an event" "get -w $root/m ; set $root/m 5 ; wait" \
        "any(x.get('event') == 'changed' and x['path'] == '$root/m' for x in a)"
    json "-o json: multi, session, whoami" "multi set $root/m 1"$'\n'"session ; whoami" \
        "a[0]['results'][0]['operation'] == 'set' and a[1]['session'].startswith('0x') and a[2]['credentials']"
    prints "several lines, comments, empty commands" "# nothing"$'\n'" ; ls $root/l ;; # more"$'\n'"get $root/m" \
        "k"$'\n'"1"
    prints "quit leaves the rest" "get $root/m ; quit ; get $root/nope" "1"
    refuses "a failed command ends the line" "get $root/nope ; create $root/never" "NoNode"
    refuses "so this was not made" "get $root/never" "NoNode"
    refuses "an unknown command" "frobnicate" "there is no command"
    refuses "an unknown option" "get -x /a" "there is no option -x"
    refuses "a word too many" "get /a b" "one word too many"
    refuses "an open quote" "get '/a" "never closed"
    matches "help" "help ; help create" "create \[-s\] \[-e\]" "makes missing"
    local got
    got=$(printf 'get %s\nls %s\n' "$root/m" "$root/m" | timeout 20 "$takt" sh -s "$server")
    [ "$got" = "1"$'\n'"s-0000000000" ] && ok "commands from stdin" || not_ok "commands from stdin" "$got"
}

# A terminal of its own: what a person sees. Each step is typed, and wanted in what comes back.
test_interactive() {
    HOME=$work timeout 60 /usr/bin/python3 - "$takt" "$server" "$root" >"$work/stdout" 2>&1 <<'PYTHON'
import os, pty, select, subprocess, sys, time
takt, server, root = sys.argv[1:]
pid, fd = pty.fork()
if pid == 0:
    os.execv(takt, [takt, 'sh', '-s', server])
seen = b''
def until(text, limit=10):
    global seen
    end = time.time() + limit
    while text.encode() not in seen:
        left = end - time.time()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            sys.exit('wanted %r, saw %r' % (text, seen))
        seen += os.read(fd, 4096)
    seen = seen[seen.index(text.encode()) + len(text):]
until('> ')
os.write(fd, b'getEph\t')
until('emerals ')
os.write(fd, b'\n')
until('> ')
os.write(fd, b'create %s/zz-tab x\n' % root.encode())
until(root + '/zz-tab\r\n')
os.write(fd, b'get -w %s/zz\t' % root.encode())
until('-tab')
os.write(fd, b'\n')
until('x\r\n')
subprocess.run([takt, 'sh', '-s', server, '-c', 'set %s/zz-tab y' % root], check=True)
until('event changed %s/zz-tab' % root)
os.write(fd, b'nonsense')
until('nonsense')
os.write(fd, b'\x03')
time.sleep(0.3)
os.write(fd, b'get %s/zz-tab\n' % root.encode())
until('y\r\n')
os.write(fd, b'\x1b[A')
until('get %s/zz-tab' % root)
os.write(fd, b'\x15quit\n')
code = os.waitpid(pid, 0)[1]
sys.exit(code and 'left with %d' % code)
PYTHON
    if [ $? = 0 ] && grep -q "tab" "$work/.takt_history"; then
        ok "at a terminal: Tab, events, Ctrl-C, history"
    else
        not_ok "at a terminal: Tab, events, Ctrl-C, history" "$(cat "$work/stdout")"
    fi
}

test_verbs() {
    local got
    got=$(timeout 20 "$takt" status -s "$server" 2>/dev/null)
    [[ $got =~ mode\ +[a-z]+ && $got =~ znodes\ +[0-9]+ ]] && ok "status" || not_ok "status" "$got"
    timeout 20 "$takt" status -s "$server" -o json 2>/dev/null | /usr/bin/python3 -c '
import json, sys
a = json.load(sys.stdin)
sys.exit(not (a["mode"] and a["znodes"] >= 5))' && ok "status -o json" || not_ok "status -o json"
    local scenario
    for scenario in "--ops get=10,set=10,create=10,delete=10,exists=10,ls=10,sync=10,multi=10,create_e=10" \
        "--ops get,set --rate 500" "--scenario watch --watch-mode persistent" \
        "--scenario watch --watch-mode once" "--scenario sessions" \
        "--scenario load --keys 2000 --parents 10"; do
        # shellcheck disable=SC2086
        got=$(timeout 60 "$takt" bench -s "$server" -n 4 -w 8 --warmup 0.1 -d 0.4 $scenario -o json \
            --root "$root-bench" 2>"$work/stderr")
        if /usr/bin/python3 -c '
import json, sys
a = json.loads(sys.argv[1])
sys.exit(not (a["total"]["done"] > 10 and a["errors"] == {} and a["unanswered"] == 0
              and 0 < a["total"]["p50_ns"] <= a["total"]["p99_ns"] <= a["total"]["max_ns"]))' "$got" 2>/dev/null; then
            ok "bench $scenario"
        else
            not_ok "bench $scenario" "$got" "$(cat "$work/stderr")"
        fi
    done
    refuses "bench leaves nothing behind" "ls $root-bench" "NoNode"
    timeout 60 "$takt" bench -s "$server" -n 1 -w 1 --warmup 0 -d 0.2 --ops get --root "$root-bench" \
        --plot "$work/plot.svg" --hdr "$work/bench.hdr" >/dev/null 2>&1
    grep -q '</svg>' "$work/plot.svg" 2>/dev/null && ok "bench --plot" || not_ok "bench --plot"
    grep -q '^#\[Max ' "$work/bench.hdr" 2>/dev/null && ok "bench --hdr" || not_ok "bench --hdr"
    if [ -n "$taktd_pid" ]; then
        got=$(timeout 60 "$takt" bench --scenario beat -s "$beat" -n 4 -w 8 --warmup 0.1 -d 0.4 --rate 2000 \
            --ops get=2,set=2,exists=1,ls=1,sync=1 --root "$root-bench" -o json 2>"$work/stderr")
        /usr/bin/python3 -c '
import json, sys
a = json.loads(sys.argv[1])
sys.exit(not (a["total"]["samples"] == 800 and a["errors"] == {} and a["unanswered"] == 0 and len(a["ops"]) == 5))
' "$got" 2>/dev/null && ok "bench --scenario beat: each request of an open loop" ||
            not_ok "bench --scenario beat" "$got" "$(cat "$work/stderr")"
        refuses "bench beat leaves nothing behind" "ls $root-bench" "NoNode"
        timeout 10 "$takt" bench --scenario beat -s "$beat" --ops create >/dev/null 2>&1
        [ $? = 2 ] && ok "bench beat: what it cannot do is code 2" || not_ok "bench beat: code 2"
        got=$(timeout 20 "$takt" bench --scenario beat -s 127.0.0.1:9 --root "$root-bench" 2>&1)
        [[ $got == *'no node answers beat (UDP) at 127.0.0.1:9:'* ]] && ok "bench beat: nobody there" || not_ok "bench beat: nobody there" "$got"
        # 2181 is another's port here, but it was named, so it is asked; an open port answers no datagram of ours
        got=$(timeout 20 "$takt" bench --scenario beat -s :2181 --root "$root-bench" 2>&1)
        [[ $got == *'no node answers beat (UDP) at 127.0.0.1:2181:'* ]] && ok "bench beat: a port that is named is asked" ||
            not_ok "bench beat: a port that is named is asked" "$got"
    fi
    timeout 10 "$takt" bench -s "$server" --ops nonsense >/dev/null 2>&1
    [ $? = 2 ] && ok "bench: code 2 for a command line that makes no sense" || not_ok "bench: code 2"
    timeout 10 "$takt" nosuch >/dev/null 2>&1
    [ $? = 2 ] && ok "an unknown verb: code 2" || not_ok "an unknown verb: code 2"
    local verb bad=
    for verb in ready status sh bench log snapshot; do
        "$takt" "$verb" --help | grep -q "^examples:" || bad+=" $verb"
    done
    [ -z "$bad" ] && "$takt" --help | grep -q "exit codes" && ok "--help teaches" || not_ok "--help teaches" "$bad"
    [[ $("$takt" --version) =~ ^takt\ [0-9] ]] && ok "--version" || not_ok "--version"
}

# The verbs that read a stopped node's files; only where the node is this script's own.
test_files() {
    local got segment
    if [ -z "$taktd_pid" ]; then
        skip "log and snapshot: whole" "the server's files are not here"
        return
    fi
    kill "$taktd_pid"
    wait "$taktd_pid"
    [ $? = 0 ] && ok "taktd leaves with code 0" || not_ok "taktd leaves with code 0" "$(cat "$work/taktd.log")"
    for got in "log verify" "log inspect" "snapshot verify" "snapshot inspect" "snapshot inspect --paths"; do
        # shellcheck disable=SC2086
        "$takt" $got "$work/data" >"$work/stdout" 2>&1 && [ -s "$work/stdout" ] && ok "$got" ||
            not_ok "$got" "$(cat "$work/stdout")"
    done
    grep -q "^$root/" "$work/stdout" && ok "a snapshot holds this test's znodes" ||
        not_ok "a snapshot holds this test's znodes" "$(tail -n 3 "$work/stdout")"
    "$takt" log inspect --entries "$work/data" >"$work/stdout"
    grep -q set "$work/stdout" && ok "log inspect --entries shows a set" ||
        not_ok "log inspect --entries shows a set"
    # A pair that differs: the oldest and the newest, which came after more entries.
    cp -r "$work/data" "$work/copy"
    "$takt" snapshot diff "$work/data" "$work/copy" >"$work/stdout" 2>&1
    [ $? = 0 ] && grep -q "^the same: " "$work/stdout" && ok "snapshot diff: the same, code 0" ||
        not_ok "snapshot diff: the same, code 0" "$(cat "$work/stdout")"
    segment=$(ls "$work"/data/snapshot.* | head -n 1)
    "$takt" snapshot diff "$segment" "$work/copy" --all >"$work/stdout" 2>&1
    [ $? = 0 ] && grep -q "^znode $root" "$work/stdout" && grep -q "nothing speaks against" "$work/stdout" &&
        ok "snapshot diff: two moments of one history, code 0" ||
        not_ok "snapshot diff: two moments of one history, code 0" "$(head -n 20 "$work/stdout")"
    "$takt" snapshot diff -o json "$segment" "$work/copy" --all >"$work/stdout"
    /usr/bin/python3 -c 'import json, sys
a = [json.loads(line) for line in sys.stdin]
sys.exit(a[-1]["same"] or len(a) < 2 or a[-1]["kind"] != "sum")' <"$work/stdout" && ok "snapshot diff -o json" ||
        not_ok "snapshot diff -o json"
    "$takt" snapshot diff "$work/data" "$work/nosuch" >"$work/stdout" 2>&1
    [ $? = 2 ] && grep -q nosuch "$work/stdout" && ok "snapshot diff: code 2 for what is not there" ||
        not_ok "snapshot diff: code 2 for what is not there" "$(cat "$work/stdout")"
    # The first batch of the newest segment that is in use: durable, so damage there is corruption.
    segment=$(for f in "$work"/data/log.*; do head -c 8 "$f" | grep -qa TAKTLOG1 && echo "$f"; done | tail -n 1)
    printf 'damage' | dd of="$segment" bs=1 seek=4200 conv=notrunc status=none
    "$takt" log verify "$work/data" >"$work/stdout" 2>&1
    [ $? = 1 ] && grep -q "$(basename "$segment")" "$work/stdout" && ok "log verify names the damage" ||
        not_ok "log verify names the damage" "$(cat "$work/stdout")"
    segment=$(ls "$work"/data/snapshot.* | tail -n 1)
    printf 'damage' | dd of="$segment" bs=1 seek=300 conv=notrunc status=none
    "$takt" snapshot verify "$work/data" >"$work/stdout" 2>&1
    [ $? = 1 ] && grep -q "$(basename "$segment")" "$work/stdout" &&
        ok "snapshot verify names the damage" || not_ok "snapshot verify names the damage" "$(cat "$work/stdout")"
}

test_tree
test_data
test_access
test_watches
test_multi
test_quota
test_forms
test_interactive
test_verbs
test_files
echo "1..$number"
[ $failed = 0 ]
