"""A node that spins: which system calls are left in its turns, idle and under load (strace)."""
import os
import shutil
import signal
import subprocess
import time

import harness
from harness import eventually

PROGRAM = shutil.which('strace')

# What a turn may ask the kernel for. The kernel port has no other way to the network; a device of net_af_packet
# is woken by a send. A write of the log is submitted; while it is in flight the spinning thread steps aside for the
# kernel's thread that does it, which may have been put on the same core (consensus/disk_uring.c).
NETWORK = {'kernel': {'epoll_wait', 'epoll_pwait', 'epoll_pwait2', 'recvfrom', 'recvmsg', 'recvmmsg', 'read', 'sendto',
                      'sendmsg', 'sendmmsg', 'writev'},
           'dpdk': {'sendto'}}
IDLE = {'kernel': {'epoll_wait', 'epoll_pwait', 'epoll_pwait2', 'recvmmsg'}, 'dpdk': set()}
LOG = {'io_uring_enter', 'sched_yield', 'pwrite64'}    # the last where io_uring is not to be had
# Once for some thousand replaced versions: the sleeping thread that waits until nobody reads them is woken, by an
# eventfd, and the end of its wait by liburcu's futex.
RECLAIM = {'write', 'futex'}


def ticks(pid, thread):
    with open('/proc/%d/task/%s/stat' % (pid, thread)) as f:
        return sum(int(field) for field in f.read().rsplit(')', 1)[1].split()[11:13])


def spinner(pid):
    """The thread that burns its core: it has most of the CPU time of the next moment."""
    threads = os.listdir('/proc/%d/task' % pid)
    before = {thread: ticks(pid, thread) for thread in threads}
    eventually(lambda: any(ticks(pid, thread) - before[thread] > 20 for thread in threads))
    return max(threads, key=lambda thread: ticks(pid, thread) - before[thread])


def calls_of(server, thread, seconds=1):
    """The system calls of a thread in so many seconds: name -> count. Skips where nobody may look."""
    out = os.path.join(server.home, 'calls')
    watcher = subprocess.Popen([PROGRAM, '-c', '-o', out, '-p', thread], stderr=subprocess.PIPE)
    time.sleep(seconds)
    watcher.send_signal(signal.SIGINT)
    said = watcher.communicate()[1].decode()
    if 'not permitted' in said or 'ptrace' in said:
        harness.skip('strace may not attach here')
    with open(out) as f:
        rows = [line.split() for line in f]
    return {row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdigit() and row[-1] != 'total'}


def spinning_node(t):
    if PROGRAM is None:
        harness.skip('strace is not installed')
    if not t.is_takt:
        harness.skip("taktd's threads")
    server = t.fresh(roles__idle='spin')
    return server, spinner(server.process.pid)


def steady(server, thread, allowed, needed=()):
    """Waits for a second with no other calls: at first log segments are made ready, links grow their pages."""
    for _ in range(15):
        calls = calls_of(server, thread)
        if set(calls) <= allowed and set(calls) >= set(needed):
            print('# %s' % (', '.join('%s %d' % item for item in sorted(calls.items())) or 'none'))
            return
    raise AssertionError('beside %s there are %s' % (sorted(allowed), calls))


def test_steady_idle(t):
    """A node that spins without work asks the kernel only what its sockets have; with a device it asks nothing."""
    server, thread = spinning_node(t)
    steady(server, thread, IDLE[t.port_kind])


def test_steady_load(t):
    """Under load it moves bytes and submits the log's writes, and makes no other call: no memory, no clock, no lock."""
    server, thread = spinning_node(t)
    takt = os.path.join(os.path.dirname(server.taktd), 'takt')
    load = subprocess.Popen(server.client_prefix + [
        takt, 'bench', '-s', server.hosts, '--ops', 'get=80,set=20', '-n', '4', '-w', '4', '--keys', '100', '-d', '100'],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        steady(server, thread, NETWORK[t.port_kind] | LOG | RECLAIM, needed={'sendto'})
        assert load.poll() is None
    finally:
        load.kill()
        load.wait()
