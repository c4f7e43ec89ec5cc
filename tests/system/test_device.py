"""The device of the dpdk port: what it can and what is used of it, as `takt nic show` tells it of a running node;
802.1Q tags; jumbo frames."""
import json
import os
import socket
import subprocess

import beatwire as b
import harness
from harness import equal, eventually
from test_beat import Client, CREATE, GET
from vlan_switch import Switch, TCP, UDP


def device_node(t, **settings):
    """A node on a device of its own. Skips on the kernel port."""
    if t.port_kind != 'dpdk':
        harness.skip('on the dpdk port')
    return t.fresh(**settings)


def nic_show(server):
    takt = os.path.join(os.path.dirname(server.taktd), 'takt')
    return json.loads(subprocess.check_output([takt, 'nic', 'show', '--data', server.data, '-o', 'json']))


def test_device_offloads(t):
    """net_af_packet takes tags off and puts them in, and no checksums; switched off, nothing is used."""
    seen = nic_show(device_node(t))
    equal(seen['driver'], 'net_af_packet')
    equal(seen['queues'], 1)
    equal(seen['offloads']['vlan_strip'], {'capable': True, 'in_use': True})
    equal(seen['offloads']['tx_tcp_sum'], {'capable': False, 'in_use': False})
    seen = nic_show(device_node(t, port__offloads='off'))
    equal(seen['offloads']['vlan_strip'], {'capable': True, 'in_use': False})
    equal([key for key, value in seen['offloads'].items() if value['in_use']], [])


def access_port(t, server, vlan, priority, trunk=None):
    """Puts a switch between the node's device and a new interface, which takes the clients' address over."""
    number = server.veth.number
    access, clients = 'sw%d' % number, 'sw%dc' % number
    for command in ('ip addr flush dev ' + server.veth.client, 'ip link add %s type veth peer name %s' % (access, clients),
                    'ethtool -K %s tx off' % clients, 'ip addr add 10.77.%d.1/24 dev %s' % (number, clients),
                    'ip link set %s up' % access, 'ip link set %s up' % clients):
        subprocess.run(command.split(), check=True, stdout=subprocess.DEVNULL)
    switch = Switch(trunk or server.veth.client, access, vlan, priority)
    t.cleanup.append(lambda: subprocess.run(['ip', 'link', 'del', clients]))
    t.cleanup.append(switch.close)
    return switch


def vlan_node(t, vlan, beat_priority, **settings):
    """A node behind a switch that tags what it gets with vlan and priority 3."""
    if t.port_kind != 'dpdk':
        harness.skip('on the dpdk port')
    server = t.fresh(start=False, port__vlan=vlan, beat__priority=beat_priority, **settings)
    server.extra += ['--set', 'beat.listen=%s:2182' % server.host]
    switch = access_port(t, server, vlan, 3)
    server.start()
    return server, switch


def vlan_serves(t, server):
    """A client of TCP with segments of full size both ways, and a controller with fragments."""
    zk = t.kazoo(server)
    large = os.urandom(100000)
    zk.create('/tcp', large)
    assert zk.get('/tcp')[0] == large
    client = Client([(server.host, 2182)])
    client.do(CREATE, b.create('/beat', large[:30000]))
    assert b.get_bytes(client.do(GET, b.get('/beat')))[0] == large[:30000]
    client.close()


def unheard(server, switch, tag):
    """With this tag on them, frames are not for the node: it answers nobody. With the right one it does again."""
    switch.tag, right = tag, switch.tag
    with socket.socket() as sock:
        sock.settimeout(0.3)
        try:
            sock.connect(server.address)
            raise AssertionError('answered')
        except socket.timeout:
            pass
    switch.tag = right
    socket.create_connection(server.address, 10).close()


def test_device_vlan(t):
    """All frames carry the id, a controller's its priority too; tags are the driver's work, then takt's."""
    for offloads in ('auto', 'off'):
        server, switch = vlan_node(t, 7, 5, port__offloads=offloads)
        vlan_serves(t, server)
        equal(switch.tags(TCP), {(7, 0)})
        equal(switch.tags(UDP), {(7, 5)})
        equal({s.vlan for s in switch.seen}, {7})
        seen = nic_show(server)
        equal(seen['vlan'], 7)
        equal([(f['name'], f['udp_port'], f['priority'], f['steered_by']) for f in seen['flows']], [('beat', 2182, 5, 'one')])
        equal(seen['offloads']['vlan_insert']['in_use'], offloads == 'auto')
        unheard(server, switch, b'')                            # none
        unheard(server, switch, bytes.fromhex('8100' '0008'))   # another


def test_device_vlan_and_checksums(t):
    """net_tap computes checksums and knows no tags: takt's tag is in front of what the driver sums."""
    if t.port_kind != 'dpdk':
        harness.skip('on the dpdk port')
    server = t.fresh(start=False, port__vlan=9, beat__priority=1)
    server.extra += ['--set', 'beat.listen=%s:2182' % server.host,
                     '--eal', '--no-pci --no-huge -m 256 --no-shconf --vdev net_tap0,iface=tap9']
    server.start(wait=False)
    eventually(lambda: 'ready after' in harness.tail(server.log), timeout_s=30, what='the node')
    switch = access_port(t, server, 9, 0, 'tap9')
    vlan_serves(t, server)
    equal(switch.tags(TCP), {(9, 0)})
    equal(switch.tags(UDP), {(9, 1)})
    used = {key for key, value in nic_show(server)['offloads'].items() if value['in_use']}
    equal(used, {'rx_ip_sum', 'rx_tcp_sum', 'rx_udp_sum', 'tx_ip_sum', 'tx_tcp_sum', 'tx_udp_sum'})


def test_device_priority_alone(t):
    """Without an id, tags hold the priority alone, and such frames are taken; frames of a VLAN are not."""
    server, switch = vlan_node(t, 0, 6)
    vlan_serves(t, server)
    equal(switch.tags(TCP), {(None, None)})
    equal(switch.tags(UDP), {(0, 6)})
    unheard(server, switch, bytes.fromhex('8100' '0007'))


def jumbo_node(t, interface_mtu, ring, mtu=9000):
    """A node with port.mtu over a pair of that MTU, and a ring of frames of that size; not started."""
    if t.port_kind != 'dpdk':
        harness.skip('on the dpdk port')
    server = t.fresh(start=False, port__mtu=mtu)
    eal = server.veth.eal.replace('blocksz=65536,framesz=2048', ring).replace('framecnt=8192', 'framecnt=1024')
    server.extra += ['--eal', eal, '--set', 'beat.listen=%s:2182' % server.host]
    for end in (server.veth.port, server.veth.client):
        subprocess.run(['ip', 'link', 'set', end, 'mtu', str(interface_mtu)], check=True)
    return server


def largest_segment(server, at):
    """Writes 200 000 bytes and reads them; gives the largest IP packet of TCP that came from the node."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)) as sniffer:
        sniffer.bind((server.veth.client, 0x0800))
        sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        at()
        sniffer.setblocking(False)
        largest = 0
        try:
            while True:
                frame, where = sniffer.recvfrom(65536)
                if where[2] != 4 and frame[23] == TCP and frame[26:30] == socket.inet_aton(server.host):
                    largest = max(largest, len(frame) - 14)
        except BlockingIOError:
            return largest


def test_device_jumbo(t):
    """Frames of 9000 bytes both ways; a client whose MTU is 1500 gets no larger ones; a controller's fragments are
    as they were."""
    server = jumbo_node(t, 9000, 'blocksz=73728,framesz=9216').start()
    equal(nic_show(server)['mtu'], 9000)
    zk = t.kazoo(server)
    large = os.urandom(200000)
    zk.create('/large', large)
    assert 8900 <= largest_segment(server, lambda: equal(zk.get('/large')[0], large)) <= 9000
    client = Client([(server.host, 2182)])
    client.do(CREATE, b.create('/beat', large[:50000]))
    equal(b.get_bytes(client.do(GET, b.get('/beat')))[0], large[:50000])
    client.close()
    zk.stop()
    subprocess.run(['ip', 'link', 'set', server.veth.client, 'mtu', '1500'], check=True)
    zk = t.kazoo(server)
    assert 1400 <= largest_segment(server, lambda: equal(zk.get('/large')[0], large)) <= 1500
    client = Client([(server.host, 2182)])
    equal(b.get_bytes(client.do(GET, b.get('/beat')))[0], large[:50000])
    client.close()


def test_device_jumbo_refused(t):
    """Frames that the interface, or the driver's ring, would cut: the node says so and does not start."""
    for mtu, ring, words in ((1500, 'blocksz=73728,framesz=9216', 'ip link set dev'),
                             (9000, 'blocksz=65536,framesz=2048', 'framesz=9216')):
        server = jumbo_node(t, mtu, ring)
        server.start(wait=False)
        assert server.process.wait(30) != 0
        assert words in harness.tail(server.log), harness.tail(server.log)
        server.process = None
