"""What each operation does: results, Stats, error precedence, paths, ACLs, multi, quotas, TTL."""
import base64
import hashlib
import time

import harness
import zkwire as z
from harness import equal, eventually


def digest_id(user, password):
    return user + ':' + base64.b64encode(
        hashlib.sha1(('%s:%s' % (user, password)).encode()).digest()).decode()


def authed(t, user, password, server=None):
    w = t.wire(server)
    equal(w.err('auth', z.auth_body('digest', ('%s:%s' % (user, password)).encode()), z.AUTH_XID), 0)
    return w


def as_super(t, server=None):
    return authed(t, *harness.SUPER[0].split(':'), server=server)


def test_fresh_tree(t):
    """the tree of a new server has the documented nodes and Stats"""
    w = t.wire(t.fresh())
    stats = {p: w.exists(p) for p in ('/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config')}
    equal({p: (s.cversion, s.aversion, s.numChildren) for p, s in stats.items()},
          {'/': (-1, 0, 1), '/zookeeper': (-2, 0, 2), '/zookeeper/quota': (0, 0, 0),
           '/zookeeper/config': (0, -1, 0)})
    for path, s in stats.items():
        equal((s.czxid, s.mzxid, s.pzxid, s.ctime, s.mtime, s.version, s.ephemeralOwner),
              (0,) * 7, path)
    equal(sorted(w.ask('getChildren', z.path_watch('/zookeeper'))), ['config', 'quota'])
    equal(w.ask('getACL', z.path_body('/zookeeper/config'))[0], [(1, 'world', 'anyone')])
    equal(w.ask('getACL', z.path_body('/'))[0], z.OPEN_ACL)
    equal(w.ask('getAllChildrenNumber', z.path_body('/')), 3)


def test_stat_rules(t):
    """each operation changes the documented Stat fields of node and parent and no others"""
    w = t.wire()
    parent, node = t.base, t.base + '/n'
    p0 = w.exists(parent)
    created = w.call('create2', z.create_body(node, b'abc'))
    path, s = z.decode('create2', created.body)
    equal(path, node)
    equal((s.czxid, s.mzxid, s.pzxid), (created.zxid,) * 3)
    equal((s.version, s.cversion, s.aversion, s.ephemeralOwner, s.dataLength, s.numChildren),
          (0, 0, 0, 0, 3, 0))
    assert s.ctime == s.mtime and abs(s.ctime - time.time() * 1000) < 5000
    equal(w.exists(parent), p0._replace(cversion=p0.cversion + 1, pzxid=created.zxid, numChildren=1))
    p1 = w.exists(parent)

    time.sleep(0.01)
    r = w.call('setData', z.set_data_body(node, b'abcdef'))
    s2 = z.decode('setData', r.body)
    equal(s2, s._replace(version=1, mzxid=r.zxid, mtime=s2.mtime, dataLength=6))
    assert s2.mtime > s.mtime
    r = w.call('setData', z.set_data_body(node, b'abcdef', 1))       # same data still counts
    s3 = z.decode('setData', r.body)
    equal((s3.version, s3.mzxid), (2, r.zxid))
    s4 = w.ask('setACL', z.set_acl_body(node, [(31, 'world', 'anyone')], 0))
    equal(s4, s3._replace(aversion=1))
    equal(w.exists(parent), p1, 'the parent is untouched by setData and setACL')

    w.create(node + '/c', b'')
    equal(w.exists(parent), p1, 'a grandparent is never touched')
    r = w.call('delete', z.path_version(node + '/c', 0))
    s5 = w.exists(node)
    equal(s5, s4._replace(cversion=2, pzxid=r.zxid))
    r = w.call('delete', z.path_version(node, 2))
    equal(r.err, 0)
    equal(w.exists(parent), p1._replace(cversion=p1.cversion + 1, pzxid=r.zxid, numChildren=0))


def test_null_and_empty_data(t):
    """null and empty data are kept apart and both have dataLength 0"""
    w = t.wire()
    for name, data in (('null', None), ('empty', b'')):
        path = '%s/%s' % (t.base, name)
        w.create(path, data)
        got, s = w.get(path)
        equal((got, s.dataLength), (data, 0))
    equal(w.ask('setData', z.set_data_body(t.base + '/empty', None)).dataLength, 0)
    equal(w.get(t.base + '/empty')[0], None)


def test_create_flags(t):
    """flags and opcodes give the documented kinds of node"""
    w = t.wire()
    b = t.base
    equal(w.ask('create2', z.create_body(b + '/e', flags=1))[1].ephemeralOwner, w.session)
    equal(w.create(b + '/s-', b'', 2), b + '/s-0000000001')
    equal(w.create(b + '/es-', b'', 3), b + '/es-0000000002')
    equal(w.exists(b + '/es-0000000002').ephemeralOwner, w.session)
    equal(w.create(b + '/flag4', b'', 4), b + '/flag4')
    path, s = w.ask('createContainer', z.create_body(b + '/c', flags=4))
    equal((path, s.ephemeralOwner), (b + '/c', 0))
    path, s = w.ask('createTTL', z.create_body(b + '/t', flags=5, ttl=100000))
    equal((path, s.ephemeralOwner), (b + '/t', 0))
    path, s = w.ask('createTTL', z.create_body(b + '/t-', flags=6, ttl=100000))
    equal((path, s.ephemeralOwner), (b + '/t-0000000006', 0))
    for flags in (7, 8, 100, -1, 5, 6):
        equal(w.err('create', z.create_body(b + '/x', flags=flags)), z.BADARGUMENTS, 'flag %d' % flags)
        equal(w.err('create2', z.create_body(b + '/x', flags=flags)), z.BADARGUMENTS)
    for ttl in (0, -1, 1 << 40, -(1 << 63), (1 << 63) - 1):
        equal(w.err('createTTL', z.create_body(b + '/x', flags=5, ttl=ttl)), z.BADARGUMENTS, ttl)
    equal(w.err('createTTL', z.create_body(b + '/longest', flags=5, ttl=(1 << 40) - 1)), 0)
    equal(w.err('createTTL', z.create_body(b + '/x', flags=0, ttl=1)), z.BADARGUMENTS)
    equal(w.err('createContainer', z.create_body(b + '/x', flags=5)), z.BADARGUMENTS)
    equal(w.exists(b + '/x'), None)


def test_ttl_off(t):
    """TTL nodes are refused with -6 while the feature is off"""
    w = t.wire(t.fresh(extendedTypesEnabled='false'))
    equal(w.err('createTTL', z.create_body('/t', flags=5, ttl=1000)), z.UNIMPLEMENTED)
    equal(w.err('create', z.create_body('/t')), 0)


def test_children_of_ephemeral(t):
    """an ephemeral can have no children"""
    w = t.wire()
    w.create(t.base + '/e', b'', 1)
    equal(w.err('create', z.create_body(t.base + '/e/c')), z.NOCHILDRENFOREPHEMERALS)


def test_sequence(t):
    """the suffix counts every child ever created, and is appended verbatim"""
    w = t.wire()
    b = t.base
    for name in ('a', 'b'):
        w.create('%s/%s' % (b, name))
    equal(w.create(b + '/x', b'', 2), b + '/x0000000002')
    equal(w.err('delete', z.path_version(b + '/a')), 0)
    equal(w.create(b + '/x', b'', 2), b + '/x0000000003')
    equal(w.create(b + '/', b'', 2), b + '/0000000004')
    equal(w.create(b + '/.', b'', 2), b + '/.0000000005')
    made = z.decode('multi', w.call('multi', z.multi_body([
        ('create', z.create_body(b + '/m', flags=2)), ('create', z.create_body(b + '/m', flags=2))])).body)
    equal([m[2] for m in made], [b + '/m0000000006', b + '/m0000000007'])


BAD_PATHS = ['', 'a', 't/a', '/t/', '/t//a', '/t/.', '/t/..', '/t/./b', '/t/../b', '/t/a\x01b',
             '/t/\x1f', '/t/\x7f', '/t/\x9f', '/t/\ue000', '/t/\uf8ff', '/t/\ufff0', '/t/\U0001f600',
             b'/t/\xff\xfe', b'/t/\xc3', '/t/a\0b', '//', '/t/a/']
GOOD_NAMES = ['.a', 'a.', '...', 'a b', '\u00a0x', 'ä', '漢字', '~', ' ', '\ud7ff', '\uf900', 'x' * 1000]


def test_path_rules(t):
    """bad paths are refused with -8, good ones accepted"""
    w = t.wire()
    w.err('create', z.create_body('/t'))
    for path in BAD_PATHS:
        name = '%r' % (path,)
        expected = {z.BADARGUMENTS}
        if path in ('/t//a', '/t/./b', '/t/../b', '//', '/t/a/', 't/a'):
            expected = {z.BADARGUMENTS, z.NONODE}     # the parent is looked for first
        code = w.err('create', z.create_body(path))
        assert code in expected, 'create %s: %d' % (name, code)
        equal(w.err('setData', z.set_data_body(path, b'')), z.BADARGUMENTS, 'setData ' + name)
        equal(w.err('setACL', z.set_acl_body(path, z.OPEN_ACL)), z.BADARGUMENTS, 'setACL ' + name)
    for name in GOOD_NAMES:
        path = '%s/%s' % (t.base, name)
        equal(w.create(path, b'd'), path)
        equal(w.get(path)[0], b'd')
        equal(w.err('setData', z.set_data_body(path, b'')), 0)
    equal(sorted(w.ask('getChildren', z.path_watch(t.base))), sorted(GOOD_NAMES))
    for path in GOOD_NAMES:
        equal(w.err('delete', z.path_version('%s/%s' % (t.base, path))), 0)


def test_reads_of_bad_paths(t):
    """reads do not check paths: what is not there is -101"""
    w = t.wire()
    for path in ('/t//nope', 'nope', '/nope/', '/./x', '/\x01'):
        for op in ('exists', 'getData', 'getChildren', 'getChildren2'):
            equal(w.err(op, z.path_watch(path)), z.NONODE, '%s %r' % (op, path))
        equal(w.err('getACL', z.path_body(path)), z.NONODE)
        equal(w.err('getAllChildrenNumber', z.path_body(path)), z.NONODE)
    equal(w.err('exists', z.path_watch('/a\0b')), z.BADARGUMENTS)


def test_delete_rules(t):
    """what delete refuses, in order"""
    w = t.wire()
    for path in ('/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config', '', 'x', '/a\0'):
        equal(w.err('delete', z.path_version(path)), z.BADARGUMENTS, path)
    equal(w.err('delete', z.path_version('/no/node')), z.NONODE)
    w.create(t.base + '/n')
    w.create(t.base + '/n/c')
    equal(w.err('delete', z.path_version(t.base + '/n', 3)), z.BADVERSION)
    equal(w.err('delete', z.path_version(t.base + '/n', 0)), z.NOTEMPTY)
    equal(w.err('delete', z.path_version(t.base + '/n/c', -1)), 0)
    equal(w.err('delete', z.path_version(t.base + '/n', 0)), 0)


def test_versions(t):
    """versions are compared, -1 is any, other negatives are compared literally"""
    w = t.wire()
    n = t.base + '/n'
    w.create(n)
    for version, code in ((0, 0), (0, z.BADVERSION), (-1, 0), (-2, z.BADVERSION), (2, 0)):
        equal(w.err('setData', z.set_data_body(n, b'', version)), code, version)
    for version, code in ((1, z.BADVERSION), (0, 0), (-1, 0), (2, 0), (-2, z.BADVERSION)):
        equal(w.err('setACL', z.set_acl_body(n, z.OPEN_ACL, version)), code, version)


def test_create_precedence(t):
    """the first failing check of create decides"""
    w = t.wire()
    b = t.base
    w.create(b + '/shut', b'', 0, [(z_perm_all_but(4), 'world', 'anyone')])
    w.create(b + '/e', b'', 1)
    c = z.create_body
    for what, body, code in (
            ('flag before all', c('', entries=[], flags=99), z.BADARGUMENTS),
            ('path without slash before the ACL', c('x', entries=[]), z.BADARGUMENTS),
            ('ACL before the parent', c('/no/node', entries=[]), z.INVALIDACL),
            ('ACL before exists', c(b, entries=[]), z.INVALIDACL),
            ('null ACL', c(b + '/x', entries=None), z.INVALIDACL),
            ('parent before its path check', c(b + '//a'), z.NONODE),
            ('parent before permission', c('/no/x'), z.NONODE),
            ('permission before the path check', c(b + '/shut/a\x01'), z.NOAUTH),
            ('path check before exists', c(b + '/a\x01'), z.BADARGUMENTS),
            ('exists', c(b + '/shut'), z.NODEEXISTS),
            ('below an ephemeral', c(b + '/e/x'), z.NOCHILDRENFOREPHEMERALS)):
        equal(w.err('create', body), code, what)


def z_perm_all_but(bit):
    return 31 & ~bit


def test_acl_validation(t):
    """ACL lists that are no good are refused with -114; duplicates are removed"""
    w = t.wire()
    for entries in ([], None, [(31, 'world', 'somebody')], [(31, '', 'x')], [(31, 'nope', 'x')],
                    [(31, 'auth', '')], [(31, 'digest', 'nocolon')], [(31, 'ip', 'not-an-ip')],
                    [(31, 'ip', '1.2.3.4/33')], [(31, 'world', 'anyone'), (31, 'nope', '')],
                    [(31, None, 'x')]):
        equal(w.err('create', z.create_body(t.base + '/x', entries=entries)), z.INVALIDACL, entries)
        equal(w.err('setACL', z.set_acl_body(t.base, entries)), z.INVALIDACL, entries)
    path = t.base + '/dup'
    w.create(path, b'', 0, [(31, 'world', 'anyone'), (31, 'world', 'anyone'), (1, 'world', 'anyone')])
    equal(w.ask('getACL', z.path_body(path))[0], [(31, 'world', 'anyone'), (1, 'world', 'anyone')])
    for entries in ([(1, 'ip', '10.0.0.0/8')], [(1, 'ip', '1.2.3.4')]) + (
            ([(1, 'ip', '::1')],) if t.is_takt else ()):        # IPv6 entries came after 3.8
        equal(w.err('setACL', z.set_acl_body(path, entries + z.OPEN_ACL)), 0, entries)


def test_auth_expansion(t):
    """`auth` entries become the connection's digest identities"""
    w = authed(t, 'bob', 'pw')
    path = t.base + '/a'
    w.create(path, b'', 0, [(31, 'auth', 'ignored')])
    equal(w.ask('getACL', z.path_body(path))[0], [(31, 'digest', digest_id('bob', 'pw'))])
    equal(digest_id('bob', 'pw'), 'bob:ikIaKsbtGweaHnb/jKn7OHqbunM=')
    equal(t.wire().err('getData', z.path_watch(path)), z.NOAUTH)
    equal(authed(t, 'bob', 'pw').err('getData', z.path_watch(path)), 0)
    equal(authed(t, 'bob', 'wrong').err('getData', z.path_watch(path)), z.NOAUTH)


def test_permissions(t):
    """each operation needs its documented permission, on the node or on the parent"""
    a = authed(t, 'o', 'o')
    owner = [(31, 'digest', digest_id('o', 'o'))]
    w = t.wire()
    want = {     # op: (needed bit, on the parent?, body for (parent, node))
        'getData': (1, False, lambda p, n: z.path_watch(n)),
        'getChildren': (1, False, lambda p, n: z.path_watch(n)),
        'getChildren2': (1, False, lambda p, n: z.path_watch(n)),
        'getAllChildrenNumber': (1, False, lambda p, n: z.path_body(n)),
        'setData': (2, False, lambda p, n: z.set_data_body(n, b'')),
        'setACL': (16, False, lambda p, n: z.set_acl_body(n, owner)),
        'create': (4, True, lambda p, n: z.create_body(p + '/new')),
        'delete': (8, True, lambda p, n: z.path_version(n)),
    }
    if t.is_takt:       # 3.8.0 lets anybody ask exists; the rule is of 3.8.4
        want['exists'] = (1, False, lambda p, n: z.path_watch(n))
    for op, (bit, on_parent, body) in want.items():
        for perms, code in ((bit, 0), (31 & ~bit, z.NOAUTH), (0, z.NOAUTH)):
            parent = '%s/%s-%d' % (t.base, op, perms)
            node = parent + '/n'
            rights = owner + ([(perms, 'world', 'anyone')] if perms else [])
            a.create(parent, b'', 0, rights if on_parent else z.OPEN_ACL)
            a.create(node, b'', 0, z.OPEN_ACL if on_parent else rights)
            equal(w.err(op, body(parent, node)), code, '%s with perms %d' % (op, perms))
    for perms, code in ((1, 0), (16, 0), (14, z.NOAUTH)):
        path = '%s/getACL-%d' % (t.base, perms)
        a.create(path, b'', 0, owner + [(perms, 'world', 'anyone')])
        reply = w.call('getACL', z.path_body(path))
        equal(reply.err, code, 'getACL with perms %d' % perms)
        if code == 0:
            ids = [e[2] for e in z.decode('getACL', reply.body)[0] if e[1] == 'digest']
            equal(ids, ['o:x'] if perms == 1 else [owner[0][2]])
    for op in ('sync',):
        equal(w.err(op, z.path_body(t.base + '/getACL-14')), 0)


def test_ip_scheme(t):
    """ip entries match the client's address by prefix"""
    w = t.wire()
    mine = w.sock.getsockname()[0]
    for entry, code in ((mine, 0), (mine + '/32', 0), (mine.split('.')[0] + '.0.0.0/8', 0),
                        ('203.0.113.7', z.NOAUTH), ('203.0.113.0/24', z.NOAUTH), ('0.0.0.0/0', 0)):
        path = w.create(t.base + '/i', b'', 2, [(1, 'ip', entry)])
        equal(w.err('getData', z.path_watch(path)), code, entry)


def test_super(t):
    """the super user passes every ACL"""
    a = authed(t, 'o', 'o')
    path = t.base + '/private'
    a.create(path, b'x', 0, [(31, 'digest', digest_id('o', 'o'))])
    s = as_super(t)
    equal(s.get(path)[0], b'x')
    equal(s.err('setData', z.set_data_body(path, b'y')), 0)
    equal(s.err('setACL', z.set_acl_body(path, z.OPEN_ACL)), 0)
    equal(authed(t, 'super', 'guess').err('setACL', z.set_acl_body('/zookeeper/config', z.OPEN_ACL)),
          z.NOAUTH)


def test_auth_failures(t):
    """schemes that cannot authenticate get -115 and a close"""
    for scheme in ('nope', 'world', 'auth', ''):
        w = t.wire()
        w.send('auth', z.auth_body(scheme, b'a:b'), z.AUTH_XID)
        reply = w.reply(z.AUTH_XID)
        equal((reply.err, reply.body), (z.AUTHFAILED, b''), scheme)
        w.expect_close()


def test_who_am_i(t):
    """whoAmI lists the credentials, digest by its user's name only"""
    w = authed(t, 'bob', 'pw')
    who = w.ask('whoAmI')
    assert ('digest', 'bob') in who, who
    assert ('ip', w.sock.getsockname()[0]) in who, who
    equal(len(who), 2)


def test_sasl_not_configured(t):
    """a SASL token on a server without SASL gets err 0 and a null token"""
    w = t.wire()
    reply = w.call('sasl', z.buf(b'token'), 0)
    equal(reply.err, 0)
    equal(z.decode('sasl', reply.body), None)


def test_sync(t):
    """sync echoes any path and needs no permission"""
    w = t.wire()
    for path in ('/', '/no/such', 'no slash', ''):
        equal(w.ask('sync', z.path_body(path)), path)


def test_get_ephemerals(t):
    """getEphemerals lists this session's, by plain prefix"""
    w = t.wire()
    b = t.base
    equal(w.ask('getEphemerals', z.path_body('/')), [])
    for name in ('a', 'ab', 'c'):
        w.create('%s/%s' % (b, name), b'', 1)
    t.wire().create(b + '/other', b'', 1)
    every = [b + '/a', b + '/ab', b + '/c']
    for prefix in ('/', '', None):
        equal(sorted(w.ask('getEphemerals', z.path_body(prefix))), every, prefix)
    equal(sorted(w.ask('getEphemerals', z.path_body(b + '/a'))), every[:2])
    equal(w.ask('getEphemerals', z.path_body('/zzz')), [])


def test_get_all_children_number(t):
    """getAllChildrenNumber counts all descendants"""
    w = t.wire()
    equal(w.ask('getAllChildrenNumber', z.path_body(t.base)), 0)
    for path in ('/a', '/a/b', '/a/b/c', '/d'):
        w.create(t.base + path)
    equal(w.ask('getAllChildrenNumber', z.path_body(t.base)), 4)
    equal(w.ask('getAllChildrenNumber', z.path_body(t.base + '/a')), 2)


def test_reconfig_standalone(t):
    """reconfig is refused as a standalone server refuses it"""
    w = as_super(t)
    equal(w.err('reconfig', z.reconfig_body(joining='server.2=h:1:2')), -123)
    if t.is_takt:       # one node has nothing to enable
        return
    on = as_super(t, t.fresh(reconfigEnabled='true'))
    equal(on.err('reconfig', z.reconfig_body(joining='server.2=h:1:2')), z.UNIMPLEMENTED)
    equal(on.get('/zookeeper/config')[1].version, 0)


def test_multi_success(t):
    """a multi is evaluated in order under one zxid and one time"""
    w = t.wire()
    b = t.base
    reply = w.call('multi', z.multi_body([
        ('create', z.create_body(b + '/p', b'1')),
        ('create2', z.create_body(b + '/p/c', b'2')),
        ('check', z.path_version(b + '/p', 0)),
        ('setData', z.set_data_body(b + '/p', b'3', 0)),
        ('delete', z.path_version(b + '/p/c', 0)),
        ('create', z.create_body(b + '/p/c', b'4')),
        ('createContainer', z.create_body(b + '/p/k', flags=4)),
        ('createTTL', z.create_body(b + '/p/t', flags=5, ttl=100000))]))
    equal(reply.err, 0)
    results = z.decode('multi', reply.body)
    # In a multi the reference answers a create2 as a plain create; a Stat too is as good.
    equal([r[:2] for r in results], [(k, 0) for k in (1, results[1][0], 13, 5, 2, 1, 15, 15)])
    equal(results[0][2], b + '/p')
    equal((results[1][0], results[1][2]) if results[1][0] == 1 else (1, results[1][2][0]),
          (1, b + '/p/c'))
    equal(results[3][2].version, 1)
    stats = [w.exists(b + p) for p in ('/p', '/p/c', '/p/k', '/p/t')]
    equal({s.czxid for s in stats}, {reply.zxid})
    equal(len({s.ctime for s in stats}), 1)
    equal((stats[0].mzxid, stats[0].pzxid, stats[0].cversion, stats[0].numChildren),
          (reply.zxid, reply.zxid, 5, 3))
    equal(w.get(b + '/p/c')[0], b'4')


def test_multi_failure(t):
    """a failed multi gives 0, the code, then -2s, changes nothing and takes one zxid"""
    w = t.alone().wire()
    b = t.base
    before = w.exists(b)
    reply = w.call('multi', z.multi_body([
        ('create', z.create_body(b + '/x')), ('check', z.path_version(b, 99)),
        ('delete', z.path_version(b + '/x')), ('delete', z.path_version('/none'))]))
    equal(reply.err, 0)
    equal(reply.body, bytes.fromhex(
        'ffffffff' '00' '00000000' '00000000' 'ffffffff' '00' 'ffffff99' 'ffffff99'
        'ffffffff' '00' 'fffffffe' 'fffffffe' 'ffffffff' '00' 'fffffffe' 'fffffffe'
        'ffffffff' '01' 'ffffffff'))
    equal(w.exists(b), before)
    equal(w.exists(b + '/x'), None)
    equal(w.ping().zxid, reply.zxid)


def test_multi_each_failure(t):
    """any sub-operation's failure is reported with its own code at its own place"""
    w = t.wire()
    b = t.base
    w.create(b + '/n')
    w.create(b + '/n/c')
    bad = [('create', z.create_body(b + '/n'), z.NODEEXISTS),
           ('create', z.create_body('/no/x'), z.NONODE),
           ('create', z.create_body(b + '/y', entries=[]), z.INVALIDACL),
           ('create', z.create_body('y'), z.BADARGUMENTS),
           ('delete', z.path_version(b + '/n'), z.NOTEMPTY),
           ('delete', z.path_version('/'), z.BADARGUMENTS),
           ('setData', z.set_data_body(b + '/n', b'', 5), z.BADVERSION),
           ('setData', z.set_data_body('/none', b''), z.NONODE),
           ('check', z.path_version('/none', -1), z.NONODE),
           ('check', z.path_version(b + '/n', 1), z.BADVERSION),
           ('check', z.path_version('bad', 1), z.BADARGUMENTS)]
    good = ('setData', z.set_data_body(b, b'never'))
    for op, body, code in bad:
        for before in (0, 1, 3):
            results = z.decode('multi', w.call('multi', z.multi_body(
                [good] * before + [(op, body)] + [good] * 2)).body)
            equal(results, [(-1, 0, 0)] * before + [(-1, code, code)] + [(-1, -2, -2)] * 2,
                  '%s %d' % (op, code))
    equal(w.exists(b).version, 0)


def test_multi_malformed(t):
    """a multi with operations it may not hold, or without its end, gets -5"""
    w = t.wire()
    ok = ('check', z.path_version('/', -1))
    for ops in ([('exists', z.path_watch('/'))], [('setACL', z.set_acl_body('/', z.OPEN_ACL))],
                [ok, ('getData', z.path_watch('/'))], [('getData', z.path_watch('/')), ok],
                [('multi', z.multi_body([ok]))], [(99, b'')], [('sync', z.path_body('/'))]):
        equal(w.err('multi', z.multi_body(ops)), z.MARSHALLING, ops)
    equal(w.err('multi', z.multi_body([ok], end=b'')), z.MARSHALLING)
    equal(w.err('multi', z.multi_body([ok])[:-1]), z.MARSHALLING)
    equal(w.err('multi', b''), z.MARSHALLING)
    # An illegal flag: 3.8 gives the operation's own error, 3.9 refuses the whole.
    reply = w.call('multi', z.multi_body([('create', z.create_body(t.base + '/x', flags=99))]))
    assert reply.err == z.MARSHALLING or z.decode('multi', reply.body) == [(-1, -8, -8)], reply
    equal(w.exists(t.base + '/x'), None)
    equal(w.call('multi', z.multi_body([])).body, z.MULTI_END)


def test_multi_large(t):
    """a multi of a thousand operations is one transaction"""
    w = t.wire()
    reply = w.call('multi', z.multi_body(
        [('create', z.create_body('%s/n%d' % (t.base, i), b'x' * 50)) for i in range(1000)]))
    equal(len(z.decode('multi', reply.body)), 1000)
    s = w.exists(t.base)
    equal((s.numChildren, s.cversion, s.pzxid), (1000, 1000, reply.zxid))
    results = z.decode('multi', w.call('multi', z.multi_body(
        [('delete', z.path_version('%s/n%d' % (t.base, i))) for i in range(1000)])).body)
    equal(results, [(2, 0, None)] * 1000)


def test_multi_permissions(t):
    """ACLs are checked per sub-operation"""
    a = authed(t, 'o', 'o')
    path = t.base + '/private'
    a.create(path, b'', 0, [(31, 'digest', digest_id('o', 'o'))])
    for op, body in (('setData', z.set_data_body(path, b'')), ('check', z.path_version(path)),
                     ('create', z.create_body(path + '/c'))):
        ops = z.multi_body([('setData', z.set_data_body(t.base, b'')), (op, body)])
        equal(z.decode('multi', t.wire().call('multi', ops).body), [(-1, 0, 0), (-1, -102, -102)], op)
        equal(z.decode('multi', a.call('multi', ops).body)[1][1], 0)


def test_multi_read(t):
    """multiRead answers each read by itself, of one state"""
    w = t.wire()
    b = t.base
    w.create(b + '/n', b'data')
    results = z.decode('multiRead', w.call('multiRead', z.multi_body([
        ('getData', z.path_watch(b + '/n')), ('getData', z.path_watch('/none')),
        ('getChildren', z.path_watch(b)), ('getChildren', z.path_watch('/none'))])).body)
    equal([r[:2] for r in results], [(4, 0), (-1, -101), (8, 0), (-1, -101)])
    equal((results[0][2][0], results[2][2]), (b'data', ['n']))
    equal(w.err('multiRead', z.multi_body([('delete', z.path_version('/x'))])), z.MARSHALLING)
    equal(w.call('multiRead', z.multi_body([])).body, z.MULTI_END)


def test_many_children(t):
    """ten thousand children are listed whole, and their count agrees"""
    w = t.wire()
    count = 10000
    for i in range(0, count, 1000):
        w.ask('multi', z.multi_body([('create', z.create_body('%s/child-%06d' % (t.base, j), b''))
                                     for j in range(i, i + 1000)]))
    names, s = w.ask('getChildren2', z.path_watch(t.base))
    equal((len(names), s.numChildren), (count, count))
    equal(sorted(names), ['child-%06d' % j for j in range(count)])


def test_deep_tree(t):
    """a path of two hundred components works"""
    w = t.wire()
    path = t.base
    for _ in range(200):
        path += '/d'
        w.create(path, b'')
    equal(w.exists(path).numChildren, 0)
    equal(w.ask('getAllChildrenNumber', z.path_body(t.base)), 200)


def test_containers_reaped(t):
    """a container that lost its last child is reaped; one that never had any stays"""
    w = t.wire()
    for name in ('used', 'unused'):
        w.ask('createContainer', z.create_body('%s/%s' % (t.base, name), flags=4))
    w.create(t.base + '/used/c')
    time.sleep(1.2)
    assert w.exists(t.base + '/used')
    w.exists(t.base + '/used', True)
    equal(w.err('delete', z.path_version(t.base + '/used/c')), 0)
    eventually(lambda: w.exists(t.base + '/used') is None, 8, 0.1, 'reaping')
    equal(w.take_events(), [z.Event(z.DELETED, t.base + '/used')])
    assert w.exists(t.base + '/unused')


def test_ttl_reaped(t):
    """a TTL node without children is reaped after its time, counted from its last change"""
    w = t.wire()
    n = t.base + '/t'
    w.ask('createTTL', z.create_body(n, flags=5, ttl=1500))
    w.ask('createTTL', z.create_body(t.base + '/parent', flags=5, ttl=300))
    w.create(t.base + '/parent/c')
    for _ in range(4):
        time.sleep(0.7)
        equal(w.err('setData', z.set_data_body(n, b'')), 0)
    assert w.exists(t.base + '/parent'), 'a TTL node with a child must stay'
    equal(w.err('delete', z.path_version(t.base + '/parent/c')), 0)
    eventually(lambda: w.exists(n) is None and w.exists(t.base + '/parent') is None, 8, 0.1, 'reaping')


def set_quota(w, path, limits):
    at = '/zookeeper/quota'
    for part in path.strip('/').split('/'):
        at += '/' + part
        code = w.err('create', z.create_body(at))
        assert code in (0, z.NODEEXISTS), code
    equal(w.err('create', z.create_body(at + '/zookeeper_limits', limits)), 0)
    equal(w.err('create', z.create_body(at + '/zookeeper_stats', b'count=0,bytes=0')), 0)
    return at


def test_quota_hard_limits(t):
    """hard quotas refuse creates and sets beyond them with -125; deletes always work"""
    w = t.wire()
    b = t.base + '/q'
    w.create(b, b'12345')
    at = set_quota(w, b, b'count=-1,bytes=-1=;byteHardLimit=20;countHardLimit=3')
    w.create(b + '/1', b'12345')
    w.create(b + '/2', b'1234567890')
    equal(w.err('create', z.create_body(b + '/3')), z.QUOTAEXCEEDED)
    equal(w.err('setData', z.set_data_body(b + '/1', b'123456')), z.QUOTAEXCEEDED)
    equal(w.err('setData', z.set_data_body(b + '/1', b'54321')), 0)
    equal(w.err('delete', z.path_version(b + '/2')), 0)
    equal(w.err('create', z.create_body(b + '/3', b'12345678901')), z.QUOTAEXCEEDED)
    equal(w.err('create', z.create_body(b + '/3', b'1234567890')), 0)
    data, stat = w.get(at + '/zookeeper_stats')
    assert data.startswith(b'count=3,bytes=20'), data
    equal(stat.version, 0)
    results = z.decode('multi', w.call('multi', z.multi_body([
        ('setData', z.set_data_body(b, b'')), ('create', z.create_body(b + '/4'))])).body)
    equal(results, [(-1, 0, 0), (-1, z.QUOTAEXCEEDED, z.QUOTAEXCEEDED)])
    equal(w.err('delete', z.path_version(at + '/zookeeper_limits')), 0)
    equal(w.err('create', z.create_body(b + '/4', b'x' * 100)), 0)


def test_quota_soft_limits(t):
    """soft quotas do not refuse"""
    w = t.wire()
    b = t.base + '/q'
    w.create(b, b'12345')
    set_quota(w, b, b'count=1,bytes=1')
    equal(w.err('create', z.create_body(b + '/1', b'12345')), 0)
    equal(w.err('setData', z.set_data_body(b, b'x' * 1000)), 0)


def test_config_node(t):
    """/zookeeper/config can be read and watched and not written"""
    w = t.wire()
    equal(w.get('/zookeeper/config', True)[1].version, 0)
    equal(w.err('setData', z.set_data_body('/zookeeper/config', b'x')), z.NOAUTH)
    if t.is_takt:
        code = as_super(t).err('setData', z.set_data_body('/zookeeper/config', b'x'))
        assert code != 0, 'super may not write the configuration by setData'
