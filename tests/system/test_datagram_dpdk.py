#!/usr/bin/env python3
"""Datagrams on the dpdk port. Between members: port_echo's in a network namespace, over net_af_packet on
a veth pair, against this machine's own UDP. Of controllers: libtakt on a DPDK device of its own, over net_memif,
against a taktd. Prints TAP.

usage: tests/system/test_datagram_dpdk.py [BUILD_DIR]      tests are skipped where the host cannot
"""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
UDP_MAX = 1472  # the MTU of 1500 less the headers of IPv4 and UDP
count = failed = 0


def check(name, good, why=''):
    global count, failed
    count += 1
    failed += not good
    print(('ok' if good else 'not ok'), count, '-', name, flush=True)
    if not good and why:
        print('#  ', str(why).replace('\n', '\n#   '), flush=True)


def echo(sock, payloads, wait=2.0):
    """Sends each, and returns the answers that come back, in order."""
    answers = []
    sock.settimeout(wait)
    for payload in payloads:
        sock.send(payload)
    try:
        while len(answers) < len(payloads):
            answers.append(sock.recv(65536))
    except socket.timeout:
        pass
    return answers


def connected(port):
    six = ':' in os.environ['TAKT_DPDK_IP']
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    if not six:
        sock.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO
    sock.connect((os.environ['TAKT_DPDK_IP'], port))
    return sock


def test_queues(build, queues):
    port = 7700 + queues
    six = ':' in os.environ['TAKT_DPDK_IP']
    udp_max = UDP_MAX - 20 * six
    proc = subprocess.Popen(
        [build + '/tests/system/port_echo', 'dpdk', os.environ['TAKT_DPDK_EAL'],
         os.environ['TAKT_DPDK_NET'], str(port), str(queues), 'park'],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in proc.stderr:
        if 'ready' in line:
            break
    name = f'IPv{6 if six else 4}, {queues} queue{"s" if queues > 1 else ""}: '
    sock = connected(port)
    # The first finds its way by ARP: what answers it must not be lost for ever.
    first = [a for _ in range(5) for a in echo(sock, [b'hello'], 0.5)]
    check(name + 'a datagram is answered', b'hello' in first, first)
    sizes = [1, 2, 3, 17, 18, 19, 100, 1000, 1451, udp_max]
    for size in sizes:
        payload = os.urandom(size)
        answers = echo(sock, [payload])
        if answers != [payload]:
            check(name + f'{size} bytes come back', False, len(answers))
            break
    else:
        check(name + f'sizes from 1 to {udp_max} bytes come back as they were', True)
    large = connected(port)  # the kernel sends it in fragments, which no datagram of takt's ever is
    large.setsockopt(socket.IPPROTO_IP, 10, 0)
    large.setsockopt(socket.IPPROTO_IPV6, 23, 0) if six else None
    check(name + 'a fragmented one is dropped', echo(large, [bytes(3000)], 0.3) == [])
    burst = [os.urandom(1400) for _ in range(47)]  # an APPEND of 64 KiB
    check(name + 'a burst of 47 comes back whole', sorted(echo(sock, burst)) == sorted(burst))
    many = [connected(port) for _ in range(32)]  # other flows, so other queues
    good = sum(echo(s, [bytes([i]) * 200]) == [bytes([i]) * 200] for i, s in enumerate(many))
    check(name + '32 senders are all answered', good == 32, good)
    times = []
    for i in range(200):
        begin = time.monotonic()
        if echo(many[i % 32], [b'x' * 100]):
            times.append(time.monotonic() - begin)
    times.sort()
    median = times[len(times) // 2] if times else 9
    check(name + 'a parked worker is woken: 95 % within 5 ms',
          len(times) == 200 and times[190] < 0.005, f'{len(times)} median {median * 1e6:.0f} us')
    print(f'# round trip median {median * 1e6:.0f} us, worst {(times or [9])[-1] * 1e6:.0f} us')
    # TCP goes on beside it
    tcp = socket.create_connection((os.environ['TAKT_DPDK_IP'], port), 5)
    tcp.sendall(b'\0\0\0\5hello')
    tcp.settimeout(5)
    got = b''
    while len(got) < 9:
        got += tcp.recv(100) or b'the connection has ended'
    check(name + 'TCP on the same port number is served as ever', got == b'\0\0\0\5hello', got)
    tcp.close()
    proc.send_signal(signal.SIGTERM)
    out, err = proc.communicate(timeout=20)
    numbers = re.search(r'datagrams in (\d+) out (\d+) failed (\d+)', out)
    check(name + 'it stops cleanly, and has lost nothing', proc.returncode == 0 and numbers and
          int(numbers[1]) >= 200 and int(numbers[1]) - int(numbers[2]) == int(numbers[3]) <= 5,
          out + err)


def test_memif(build):
    """A controller whose core drives a DPDK device, from process to process: no privilege is needed."""
    client = build + '/perf/perf_memif_get'
    if not os.path.exists(client):
        print('ok - libtakt over a DPDK device # SKIP built without perf, or without DPDK')
        return
    with tempfile.TemporaryDirectory(prefix='takt-memif-') as home:
        device = 'net_memif0,role=server,socket=%s/sock,socket-abstract=no' % home
        node = subprocess.Popen(
            [build + '/tools/taktd', '--dev', '--port', 'dpdk', '--ip', '10.77.0.2/24', '--data', home + '/data',
             '--eal', '--no-pci --no-huge -m 256 --no-shconf --vdev ' + device,
             '--set', 'beat.listen=10.77.0.2:2182'], stderr=subprocess.PIPE, text=True)
        said = []
        for line in node.stderr:
            said.append(line)
            if 'ready after' in line:
                break
        asked = subprocess.run([client, home + '/sock', '0', '0.3', '4'], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, timeout=60)
        check('libtakt over a DPDK device: a session, a create, gets', asked.returncode == 0 and
              int(asked.stdout.split()[0]) > 0, asked.stdout + asked.stderr + ''.join(said))
        node.send_signal(signal.SIGTERM)
        _, rest = node.communicate(timeout=20)
        check('libtakt over a DPDK device: the node stops cleanly', node.returncode == 0, rest)


def main():
    if len(sys.argv) > 1 and sys.argv[1].startswith('-'):
        print(__doc__.strip())
        return 0
    build = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else HERE + '/../../build')
    if os.environ.get('TAKT_DPDK_EAL'):
        test_queues(build, int(os.environ['TAKT_DPDK_QUEUES']))
        return failed > 0
    test_memif(build)
    code = failed > 0
    for queues, family in ((1, '4'), (2, '4'), (1, '6'), (2, '6')):
        run = subprocess.run([HERE + '/netns_dpdk.sh', sys.executable, os.path.abspath(__file__), build],
                             env=dict(os.environ, TAKT_DPDK_QUEUES=str(queues), TAKT_DPDK_FAMILY=family),
                             timeout=120)
        if run.returncode == 77:
            print(f'ok - datagrams on the dpdk port, IPv{family}, {queues} queues # SKIP no namespace here')
        code |= run.returncode not in (0, 77)
    return code


if __name__ == '__main__':
    sys.exit(main())
