"""Other clients, unmodified: libzookeeper (C), zkCli.sh (Java), node-zookeeper-client (npm)."""
import json
import os
import re
import shutil
import subprocess

import harness
import zkwire as z
from harness import equal, limit

BUILD = os.path.join(harness.ROOT, 'build', 'clients')


def run(command, timeout_s=100, **kw):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=timeout_s, **kw)
    return done.returncode, done.stdout.decode('utf-8', 'replace')


def compiled(source, name):
    """Compiles one C file against libzookeeper; gives the program's path."""
    if not os.path.exists('/usr/include/zookeeper/zookeeper.h'):
        harness.skip('libzookeeper-mt-dev is not installed')
    os.makedirs(BUILD, exist_ok=True)
    program = os.path.join(BUILD, name)
    code, text = run(['gcc', '-Wall', '-Wextra', '-Werror', '-O1', '-DTHREADED', '-o', program, source,
                      '-lzookeeper_mt', '-lpthread'])
    equal(code, 0, text)
    return program


def test_libzookeeper(t):
    """libzookeeper, the C client"""
    program = compiled(os.path.join(harness.HERE, 'c_client.c'), 'c_client')
    w = t.wire(timeout_ms=30000)
    w.create(t.base + '/theirs', b'', z.EPHEMERAL)
    w.close()
    code, text = run(t.server.client_prefix + [program, t.server.hosts, t.base, '%x' % w.session,
                                               w.password.hex()])
    results = re.findall(r'^(?:not )?ok \d+.*$', text, re.M)
    print('# ' + text.strip().replace('\n', '\n# '))
    equal((code, [r for r in results if r.startswith('not')], len(results)), (0, [], 10))


ZKCLI_SCRIPT = '''create {b}/n one
get {b}/n
set {b}/n two
get -s {b}/n
create -e {b}/e mine
create -s {b}/s- seq
create -c {b}/c
create -t 100000 {b}/t
ls {b}
stat {b}/n
getAcl {b}/n
setAcl {b}/n world:anyone:cdrwa
addauth digest dave:pw
create {b}/p private auth::cdrwa
getAcl {b}/p
sync {b}
getEphemerals {b}
getAllChildrenNumber {b}
whoami
setquota -n 10 {b}/n
listquota {b}/n
delquota {b}/n
version
deleteall {b}/n
delete {b}/missing
quit
'''


@limit(180)
def test_zkcli(t):
    """zkCli.sh, scripted through its standard input"""
    script = '/usr/share/zookeeper/bin/zkCli.sh'
    if not os.path.exists(script):
        harness.skip('the package zookeeper is not installed')
    env = dict(os.environ, CLIENT_JVMFLAGS='-Xmx128m -XX:TieredStopAtLevel=1')
    code, text = run(t.server.client_prefix + ['bash', script, '-server', t.server.hosts],
                     input=ZKCLI_SCRIPT.format(b=t.base).encode(), env=env, timeout_s=150)
    print('# ' + text.strip().replace('\n', '\n# '))
    for part in ('Created {b}/n\n', '\none\n', 'dataVersion = 1', 'dataLength = 3', 'Created {b}/e',
                 'Created {b}/s-0000000002', '[c, e, n, s-0000000002, t]', "'world,'anyone\n: cdrwa",
                 "'digest,'dave:", 'Sync is OK', '[{b}/e]', 'count=10', 'Node does not exist: {b}/missing'):
        wanted = part.format(b=t.base)
        assert wanted in text, 'zkCli.sh did not print %r' % wanted
    assert re.search(r'^digest: dave$|^digest\s*:?\s*dave', text, re.M), 'whoami'
    w = t.wire()
    equal(w.exists(t.base + '/n'), None)
    equal(w.exists(t.base + '/e'), None)


NODE_SCRIPT = r'''
const zk = require('node-zookeeper-client');
const [hosts, base] = process.argv.slice(2);
const client = zk.createClient(hosts, {sessionTimeout: 10000});
const call = (name, ...args) => new Promise((good, bad) =>
  client[name](...args, (error, ...values) => error ? bad(error) : good(values)));
const fails = async (name, code, ...args) => {
  try { await call(name, ...args); } catch (e) {
    if (e.getCode && e.getCode() === code) return;
    throw e;
  }
  throw new Error(name + ' did not fail with ' + code);
};
client.once('connected', async () => {
  const say = {};
  try {
    const E = zk.Exception, M = zk.CreateMode;
    const events = [];
    [say.created] = await call('create', base + '/n', Buffer.from('one'));
    await fails('create', E.NODE_EXISTS, base + '/n');
    const [data, stat] = await call('getData', base + '/n', e => events.push([e.name, e.path]));
    say.data = data.toString(); say.version = stat.version;
    [say.stat] = [(await call('setData', base + '/n', Buffer.from('two'), 0))[0].version];
    await fails('setData', E.BAD_VERSION, base + '/n', Buffer.from('x'), 7);
    [say.ephemeral] = await call('create', base + '/e', Buffer.from(''), M.EPHEMERAL);
    [say.sequential] = await call('create', base + '/s-', Buffer.from(''), M.PERSISTENT_SEQUENTIAL);
    say.children = (await call('getChildren', base))[0].sort();
    say.missing = (await call('exists', base + '/none'))[0];
    [say.acl] = [(await call('getACL', base + '/n'))[0].map(a => [a.permission, a.id.scheme, a.id.id])];
    await new Promise((good, bad) => client.transaction()
      .create(base + '/t', Buffer.from('t')).setData(base + '/t', Buffer.from('u'), 0)
      .check(base + '/t', 1).remove(base + '/s-0000000002', -1)
      .commit((error, results) => error ? bad(error) : good(say.transaction = results.length)));
    await call('mkdirp', base + '/deep/er/still');
    await call('remove', base + '/n');
    const many = [];
    for (let i = 0; i < 500; i++) many.push(call('create', base + '/deep/' + i, Buffer.from('' + i)));
    await Promise.all(many);
    say.many = (await call('getChildren', base + '/deep'))[0].length;
    say.events = events;
  } catch (error) { say.error = String(error.stack || error); }
  console.log(JSON.stringify(say));
  client.once('disconnected', () => process.exit(say.error ? 1 : 0));
  client.close();
});
client.connect();
setTimeout(() => { console.log(JSON.stringify({error: 'no end after 40 s'})); process.exit(1); }, 40000);
'''


def prepare():
    """Fetches node-zookeeper-client, once. run.py does so before it enters a network namespace, from
    which npm reaches nothing."""
    if not shutil.which('npm') or not shutil.which('node'):
        harness.skip('npm or node is not installed')
    home = os.path.join(BUILD, 'node')
    if not os.path.isdir(os.path.join(home, 'node_modules', 'node-zookeeper-client')):
        os.makedirs(home, exist_ok=True)
        with open(os.path.join(home, 'package.json'), 'w') as out:
            json.dump({'name': 'takt-tests', 'private': True}, out)
        code, text = run(['npm', 'install', '--no-audit', '--no-fund', '--loglevel=error',
                          'node-zookeeper-client@1.1.3'], 150, cwd=home)
        if code != 0:
            harness.skip('npm cannot fetch node-zookeeper-client: ' + text.strip().split('\n')[-1][:80])
    return home


@limit(240)
def test_node(t):
    """node-zookeeper-client, from npm"""
    home = prepare()
    with open(os.path.join(home, 'client.js'), 'w') as out:
        out.write(NODE_SCRIPT)
    code, text = run(t.server.client_prefix + ['node', 'client.js', t.server.hosts, t.base], 60, cwd=home)
    b = t.base
    equal(json.loads(text.strip().split('\n')[-1]), {
        'created': b + '/n', 'data': 'one', 'version': 0, 'stat': 1, 'ephemeral': b + '/e',
        'sequential': b + '/s-0000000002', 'children': ['e', 'n', 's-0000000002'], 'missing': None,
        'acl': [[31, 'world', 'anyone']], 'transaction': 4, 'many': 501,
        'events': [['NODE_DATA_CHANGED', b + '/n']]}, text)
    equal(code, 0)
