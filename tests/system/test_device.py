"""The device of the dpdk port: what it can and what is used of it, as `takt nic show` tells it of a running node."""
import json
import os
import subprocess

import harness
from harness import equal


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
