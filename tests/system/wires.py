"""The cables between the nodes of an ensemble: one bridge, a network namespace a node, nftables' shears.

      clients (this program's namespace)
         │ 10.78.0.254
    ═════╧═══╤═════════╤═════════╤════  bridge tkbr
             n1        n2        n3     the host's ends of the cables: frames are dropped here
             │         │         │
           eth0      eth0      eth0     in a namespace a node; takt's kernel port uses its address, or
        10.78.0.1  10.78.0.2  10.78.0.3 its dpdk port owns the device

Needs run.py's namespace of its own (harness.enter_namespace), which takes all of it along at its end.
A cut drops IP only, in silence, as a cable does; ARP passes, so that a cut of one direction stays one.
"""
import os
import subprocess
import time

CLIENTS = 0     # the number of the clients' side in a cut


class CannotWire(Exception):
    """This host does not let us build it; the text says what failed."""


def run(command, text=None):
    done = subprocess.run(command.split(), input=text and text.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode:
        raise CannotWire('%s: %s' % (command, done.stdout.decode().strip()))


class Namespace:
    """Lives as long as a process that sleeps in it."""

    def __init__(self):
        self.holder = subprocess.Popen(['unshare', '-n', 'sleep', '100000'], stdin=subprocess.DEVNULL)
        mine, deadline = os.readlink('/proc/self/ns/net'), time.monotonic() + 5
        while os.readlink('/proc/%d/ns/net' % self.holder.pid) == mine:
            if self.holder.poll() is not None or time.monotonic() > deadline:
                raise CannotWire('unshare -n does not work here')
            time.sleep(0.002)

    @property
    def prefix(self):
        return ['nsenter', '-t', str(self.holder.pid), '-n', '--']

    def run(self, command):
        run(' '.join(self.prefix) + ' ' + command)

    def remove(self):
        self.holder.kill()
        self.holder.wait()


class Wires:
    """One bridge and what hangs on it. cut() and heal() take node numbers; CLIENTS is the test itself."""
    NETWORK = '10.78.0.%d'

    def __init__(self):
        if not os.environ.get('TAKT_TEST_NETNS'):
            raise CannotWire('not in a network namespace of its own')
        self.spaces, self.cuts, self.loss, self.doubled = {}, set(), 0, 0
        run('ip link add tkbr type bridge')
        try:
            run('ip addr add %s/24 dev tkbr' % (self.NETWORK % 254))
            run('ip link set tkbr up')
            self.write_rules()
        except CannotWire:
            self.remove()
            raise

    def attach(self, number, owns_address=True):
        """A namespace for node `number` (1..200). owns_address: the kernel has it; else a dpdk port will."""
        space = self.spaces[number] = Namespace()
        run('ip link add n%d type veth peer name eth0 netns %d' % (number, space.holder.pid))
        run('ip link set n%d master tkbr' % number)
        if owns_address:
            space.run('ip addr add %s/24 dev eth0' % self.address(number))
        else:       # a partial checksum would reach DPDK as a wrong one
            run('ethtool -K n%d tx off' % number)
            run('ethtool -K tkbr tx off')
            space.run('sysctl -q -w net.ipv6.conf.eth0.disable_ipv6=1')
        run('ip link set n%d up' % number)
        space.run('ip link set lo up')
        space.run('ip link set eth0 up')
        return space

    def address(self, number):
        return self.NETWORK % number

    def cut(self, one, other, ways='both'):
        """Drops what `one` sends to `other`; with both ways, also the answers."""
        self.cuts.add((one, other))
        if ways == 'both':
            self.cuts.add((other, one))
        self.write_rules()

    def isolate(self, number, others):
        """Cuts `number` off from each of `others`, both ways."""
        for other in others:
            self.cuts.update({(number, other), (other, number)})
        self.write_rules()

    def lose(self, percent):
        """Drops this share of all IP frames at random, each way, of members and of clients."""
        self.loss = percent
        self.write_rules()

    def double(self, percent):
        """Sends this share of the IP frames for members twice, at random."""
        self.doubled = percent
        self.write_rules()

    def heal(self):
        self.cuts.clear()
        self.loss = self.doubled = 0
        self.write_rules()

    def write_rules(self):
        """The whole of the rules at once: there is no moment between two of them."""
        chains = {'forward': [], 'input': [], 'output': []}
        for source, to in sorted(self.cuts):
            if to == CLIENTS:
                chains['input'].append('iifname "n%d" ether type ip counter drop' % source)
            elif source == CLIENTS:
                chains['output'].append('oifname "n%d" ether type ip counter drop' % to)
            else:
                chains['forward'].append('iifname "n%d" oifname "n%d" ether type ip counter drop'
                                         % (source, to))
        if self.loss:
            for rules in chains.values():
                rules.append('ether type ip numgen random mod 100 < %d counter drop' % self.loss)
        text = 'table bridge takt\ndelete table bridge takt\ntable bridge takt {\n'
        for hook, rules in chains.items():
            text += 'chain at_%s {\ntype filter hook %s priority 0; policy accept;\n%s\n}\n' % (
                hook, hook, '\n'.join(rules))
        text += '}\ntable netdev takt\ndelete table netdev takt\n'
        if self.doubled:
            text += 'table netdev takt {\n'
            for number in self.spaces:
                text += ('chain to_%d {\ntype filter hook egress device n%d priority 0;\n'
                         'ether type ip numgen random mod 100 < %d counter dup to n%d\n}\n'
                         % (number, number, self.doubled, number))
            text += '}\n'
        run('nft -f -', text)

    @staticmethod
    def counted(family):
        done = subprocess.run(['nft', 'list', 'table', family, 'takt'], stdout=subprocess.PIPE)
        words = done.stdout.decode().split()
        return sum(int(words[i + 1]) for i, word in enumerate(words) if word == 'packets')

    def dropped(self):
        """Frames that the rules have dropped since they were written."""
        return self.counted('bridge')

    def sent_twice(self):
        """Frames that went twice since double()."""
        return self.counted('netdev')

    def remove(self):
        for number, space in self.spaces.items():   # a namespace's end is not waited for
            subprocess.run(['ip', 'link', 'del', 'n%d' % number], stderr=subprocess.DEVNULL)
            space.remove()
        self.spaces = {}
        for family in ('bridge', 'netdev'):
            subprocess.run(['nft', 'delete', 'table', family, 'takt'], stderr=subprocess.DEVNULL)
        subprocess.run(['ip', 'link', 'del', 'tkbr'], stderr=subprocess.DEVNULL)
