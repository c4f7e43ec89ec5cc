#!/usr/bin/python3
"""takt in an emulated machine (guest.py): taktd drives network cards in PCI slots, virtio-net and e1000,
through a user-space driver; the verbs that change a machine change a real kernel. Prints TAP.

usage: tests/system/test_qemu.py [BUILD_DIR]      skipped by name without qemu, busybox or a kernel
"""
import json
import subprocess
import sys
import time

from kazoo.client import KazooClient

import guest
import harness

count = failed = 0


def check(name, good, why=''):
    global count, failed
    count += 1
    failed += not good
    print('ok' if good else 'not ok', count, '-', name, flush=True)
    if not good:
        print('#  ', str(why).replace('\n', '\n#   '), flush=True)


def says(name, machine, line, code, *words):
    """A line run in the guest: its exit code, and words that it must print."""
    got, text = machine.sh(line)
    missing = [word for word in words if word not in text]
    check(name, got == code and not missing, 'code %d, not there: %s\n%s' % (got, missing, text))


def test_refusals(machine):
    code, text = machine.sh('takt nic list -o json')
    cards = {card['pci']: card for card in json.loads(text)}
    check('nic list: both cards, each with its driver', code == 0
          and cards['0000:00:03.0']['driver'] == 'virtio-pci' and cards['0000:00:03.0']['name'] == 'eth0'
          and '0000:00:04.0' in cards, text)
    machine.sh('ifconfig eth0 10.0.2.15 up; route add default gw 10.0.2.2')
    says('nic bind: the card of the default route is refused', machine,
         'takt nic bind eth0 --driver uio_pci_generic', 1, "carries this machine's default route")
    machine.sh('route del default; ifconfig eth0 down')
    says('nic bind: a driver that is not loaded', machine,
         'takt nic bind eth0 --driver uio_pci_generic', 1, 'modprobe uio_pci_generic')
    machine.sh('insmod /modules/uio_pci_generic.ko')


def start(machine, slot, address):
    machine.sh('(taktd --port dpdk --eal "-a 0000:00:%02d.0" --ip %s/24 --data /data/%d >>/tmp/log.%d 2>&1; '
               'echo $? >/tmp/code.%d) &' % (slot, address, slot, slot, slot))


def works(client):
    """Reads, writes, a watch, and an answer of many frames."""
    seen = []
    client.create('/c', b'1')
    client.get('/c', watch=lambda event: seen.append(event.type))
    client.set('/c', b'2')
    large = bytes(range(256)) * 1000
    client.create('/large', large)
    for _ in range(50):
        if seen:
            break
        time.sleep(0.1)
    return seen == ['CHANGED'] and client.get('/c')[0] == b'2' and client.get('/large')[0] == large


def test_card(machine, build, slot):
    model, address = guest.CARDS[slot]
    pci, server = '0000:00:%02d.0' % slot, '127.0.0.1:%d' % machine.ports[slot]
    takt = [build + '/tools/takt']
    says('%s: handed over' % model, machine, 'takt nic bind %s --driver uio_pci_generic' % pci, 0, 'port.eal')
    says('%s: who has it' % model, machine, 'takt nic show %s' % pci, 0, 'uio_pci_generic', 'takt nic unbind')
    start(machine, slot, address)
    ready = subprocess.run(takt + ['ready', '--server', server, '--timeout', '40'], capture_output=True, text=True)
    check('%s: a node on it answers the host' % model, ready.returncode == 0,
          ready.stdout + ready.stderr + machine.sh('cat /tmp/log.%d' % slot)[1])
    shell = subprocess.run(takt + ['sh', '--server', server, '-c', 'create /greeting hello ; get /greeting'],
                           capture_output=True, text=True, timeout=60)
    check('%s: takt sh writes and reads' % model, shell.stdout == '/greeting\nhello\n', shell.stdout + shell.stderr)
    client = KazooClient(hosts=server, timeout=20.0)
    client.start(timeout=30)
    try:
        check('%s: kazoo reads, writes, is told, reads 256 kB' % model,
              client.get('/greeting')[0] == b'hello' and works(client))
        machine.sh('kill -9 $(pidof taktd); while pidof taktd; do sleep 0.1; done')
        start(machine, slot, address)
        check('%s: killed and started again, kazoo goes on' % model,
              client.retry(client.get, '/greeting')[0] == b'hello' and len(client.get('/large')[0]) == 256000)
    finally:
        client.stop()
        client.close()
    says('%s: stopped, code 0' % model, machine,
         'kill $(pidof taktd); while pidof taktd; do sleep 0.1; done; echo code $(cat /tmp/code.%d); tail -1 /tmp/log.%d'
         % (slot, slot), 0, 'code 0\n', 'stopped; the log is closed')
    says('%s: the kernel has it back' % model, machine, 'takt nic unbind %s' % pci, 0,
         'virtio-pci has it' if slot == 3 else 'no driver of the kernel took it')


def test_cores(machine):
    says('cores apply --system: all done, what the kernel keeps is left', machine,
         'cd /tmp && takt cores apply --system', 0, 'wrote /sys/fs/cgroup/takt/cpuset.cpus.partition',
         'left  /proc/irq/0/smp_affinity_list')
    says('the kernel holds it', machine, 'cat /sys/fs/cgroup/takt/cpuset.cpus.partition '
         '/sys/devices/system/cpu/cpu1/power/pm_qos_resume_latency_us', 0, 'isolated', 'n/a')
    says('cores check: as planned', machine, 'cd /tmp && takt cores check --system', 0, '\nas planned')
    says('cores apply twice', machine, 'cd /tmp && echo 0-1 >/proc/irq/4/smp_affinity_list; '
         'takt cores apply --system', 1, 'takt cores undo first')
    says('taktd runs in the cgroup', machine,
         'echo $$ >/sys/fs/cgroup/takt/cgroup.procs; taktd --listen 127.0.0.1:2181 --data /data/c >/tmp/log.c 2>&1 & '
         'takt ready --timeout 20 && grep Cpus_allowed_list /proc/$(pidof taktd)/status; '
         'kill $(pidof taktd); while pidof taktd; do sleep 0.1; done', 0, 'Cpus_allowed_list:\t1\n')
    says('cores undo', machine, 'cd /tmp && takt cores undo', 0, 'undid /sys/fs/cgroup/takt')
    says('all is as it was', machine, 'ls /sys/fs/cgroup/takt /tmp/takt.cores-journal; cat /proc/irq/1/smp_affinity_list '
         '/sys/devices/system/cpu/cpu1/power/pm_qos_resume_latency_us /sys/devices/virtual/workqueue/cpumask', 0,
         'takt: No such', 'journal: No such', '0-1\n0\n3\n')
    says('doctor --measure: memory is no durable medium; class C', machine,
         'takt doctor --measure --seconds 0.2 --data /data', 1, 'class C', 'not believable: the directory lies in memory',
         'failover within',
         'leases from')


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else 'build'
    try:
        machine = guest.Guest(build)
    except harness.Skip as why:
        print('ok - takt in an emulated machine # SKIP %s\n1..1' % why)
        return 0
    try:
        machine.wait_ready()
        test_refusals(machine)
        for slot in guest.CARDS:
            test_card(machine, build, slot)
        test_cores(machine)
    except Exception as why:    # the guest is silent, or a client gave up
        check('the guest answers', False, '%s: %s\n%s' % (type(why).__name__, why, machine.sh('tail -20 /tmp/log.*')[1]))
    finally:
        machine.stop()
    print('1..%d' % count)
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
