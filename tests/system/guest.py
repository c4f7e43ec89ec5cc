#!/usr/bin/python3
"""An emulated machine (qemu, no KVM) that runs this build's taktd and takt on network cards of its own.

usage: tests/system/guest.py [--build DIR] [--memory MB]     a shell in it; leave with Ctrl-D

The way to try a driver of the dpdk port without the card: a virtio-net card at 0000:00:03.0 and an
Intel e1000 at 0000:00:04.0, in PCI slots, with the guest's kernel to take them from. The machine
is a Debian cloud kernel and an initramfs of this machine's own files: busybox, taktd and takt with
what they link, DPDK's drivers for the two cards. Nothing is written outside of BUILD/guest; the
kernel's package (27 MB) is fetched there once.

    host 127.0.0.1:PORT ── user-mode network of qemu ── card 3: 10.0.2.15/24, card 4: 10.0.3.15/24
"""
import argparse
import glob
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time

import harness

CARDS = {3: ('virtio-net-pci', '10.0.2.15'), 4: ('e1000', '10.0.3.15')}  # PCI slot: model, address
KERNEL_PACKAGE = 'linux-image-cloud-amd64'
# In the order in which they need each other.
MODULES = ['virtio_ring', 'virtio', 'failover', 'net_failover', 'virtio_pci_modern_dev',
           'virtio_pci_legacy_dev', 'virtio_pci', 'virtio_net', 'uio']
UIO_MODULE = 'uio_pci_generic'      # left to whoever asks: /modules/uio_pci_generic.ko
PMDS = ['rte_net_virtio', 'rte_net_e1000', 'rte_mempool_ring', 'rte_bus_pci', 'rte_bus_vdev']
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
chmod 755 /      # DPDK loads drivers only below folders that others cannot write
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/hugepages
mount -t tmpfs shm /dev/shm
mount -t hugetlbfs huge /dev/hugepages
mount -t cgroup2 cgroup /sys/fs/cgroup
export NO_COLOR=1
for module in %s; do insmod /modules/$module.ko; done
ifconfig lo 127.0.0.1
stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1 2>&1
echo 'guest: ready'
while read -r line; do
    sh -c "$line" </dev/null
    echo "guest: code $?"
done
poweroff -f
"""


# ---- what the guest is made of ----------------------------------------------------------------------


def find_kernel(directory):
    """The path of vmlinuz and the folder of modules; fetched once."""
    if not glob.glob(directory + '/boot/vmlinuz-*'):
        depends = subprocess.run(['apt-cache', 'depends', '--important', KERNEL_PACKAGE],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        name = re.search(r'Depends: (linux-image-\S+)', depends)
        if not name:
            harness.skip('apt knows no package %s: no kernel for the guest' % KERNEL_PACKAGE)
        os.makedirs(directory, exist_ok=True)
        fetched = subprocess.run(['apt-get', 'download', '-q', name.group(1)], cwd=directory,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        packages = glob.glob(directory + '/*.deb')
        if fetched.returncode or not packages:
            harness.skip('%s could not be fetched: no kernel for the guest' % name.group(1))
        subprocess.run(['dpkg-deb', '-x', packages[0], directory], check=True)
        os.unlink(packages[0])
    return glob.glob(directory + '/boot/vmlinuz-*')[0], glob.glob(directory + '/lib/modules/*')[0]


def linked(program):
    """The shared libraries that a program or a library needs, the loader too."""
    text = subprocess.run(['ldd', program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.findall(r'(/\S+) \(0x', text)


class Archive:
    """An initramfs: cpio, format "newc". Nodes and owners are only written down, so it needs no root."""

    def __init__(self, path):
        self.file = open(path, 'wb')
        self.names = set()

    def put(self, name, mode, data=b'', device=(0, 0)):
        name = name.lstrip('/')
        if name in self.names:
            return
        parent = os.path.dirname(name)
        if parent:
            self.put(parent, stat.S_IFDIR | 0o755)
        self.names.add(name)
        fields = (len(self.names), mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
        head = b'070701' + b''.join(b'%08x' % f for f in fields) + name.encode() + b'\0'
        for part in (head, data):
            self.file.write(part + b'\0' * (-len(part) % 4))

    def copy(self, source, name):
        with open(source, 'rb') as file:
            self.put(name, stat.S_IFREG | 0o755, file.read())

    def library(self, path):
        """A file and a link to it, as here: DPDK loads a driver twice that lies there twice."""
        real = os.path.realpath(path)
        self.copy(real, real)
        if real != path:
            self.put(path, stat.S_IFLNK | 0o777, real.encode())

    def needs(self, program):
        for path in linked(program):
            self.library(path)

    def close(self):
        self.put('TRAILER!!!', 0)
        self.file.close()


def make_initramfs(path, build, modules):
    pmd_folders = glob.glob('/usr/lib/*/dpdk/pmds-*')
    if not pmd_folders:
        harness.skip("DPDK's drivers are not in /usr/lib/*/dpdk")
    archive = Archive(path)
    archive.put('init', stat.S_IFREG | 0o755, (INIT % ' '.join(MODULES)).encode())
    archive.copy(shutil.which('busybox'), 'bin/busybox')
    archive.put('dev/console', stat.S_IFCHR | 0o600, device=(5, 1))
    for folder in ('proc', 'sys', 'tmp', 'data', 'var/run'):
        archive.put(folder, stat.S_IFDIR | 0o755)
    for name in ('taktd', 'takt'):
        archive.copy('%s/tools/%s' % (build, name), 'bin/' + name)
        archive.needs('%s/tools/%s' % (build, name))
    for name in PMDS:
        found = '%s/lib%s.so' % (pmd_folders[0], name)
        archive.library(found)
        archive.needs(found)
    for name in MODULES + [UIO_MODULE]:
        found = glob.glob('%s/kernel/**/%s.ko' % (modules, name.replace('_', '[_-]')), recursive=True)
        archive.copy(found[0], 'modules/%s.ko' % name)
    archive.close()


# ---- the machine ------------------------------------------------------------------------------------


class Guest:
    """A running machine. sh() runs a line in it; ports[slot] is where the host reaches 2181 of a card."""

    def __init__(self, build='build', memory_mb=1024):
        for program in ('qemu-system-x86_64', 'busybox', 'ldd'):
            if shutil.which(program) is None:
                harness.skip('%s is not installed: tools/packages.sh install test' % program)
        harness.need_dpdk(build)
        self.folder = os.path.join(harness.ROOT, build, 'guest')
        kernel, modules = find_kernel(self.folder + '/kernel')
        self.initramfs = '%s/initramfs.%d' % (self.folder, os.getpid())
        make_initramfs(self.initramfs, os.path.join(harness.ROOT, build), modules)
        self.ports = {slot: harness.free_port() for slot in CARDS}
        self.console = self.folder + '/console.log'
        wire, other = socket.socketpair()
        other.set_inheritable(True)
        self.qemu = subprocess.Popen(self._command(kernel, memory_mb, other.fileno()), close_fds=False,
                                     stdin=subprocess.DEVNULL, stdout=open(self.folder + '/qemu.log', 'wb'),
                                     stderr=subprocess.STDOUT)
        other.close()
        self.wire, self.text = wire, b''

    def _command(self, kernel, memory_mb, wire_fd):
        command = ['qemu-system-x86_64', '-accel', 'tcg,thread=multi', '-cpu', 'Nehalem,+invtsc,+rdtscp',
                   '-machine', 'pc', '-smp', '2', '-m', str(memory_mb), '-nodefaults', '-no-reboot',
                   '-display', 'none', '-kernel', kernel, '-initrd', self.initramfs, '-append',
                   'console=ttyS0 panic=-1 quiet hugepages=160 transparent_hugepage=never mitigations=off tsc=reliable',
                   '-serial', 'file:' + self.console,
                   '-chardev', 'socket,id=wire,fd=%d' % wire_fd, '-serial', 'chardev:wire']
        for slot, (model, address) in CARDS.items():
            net = address.rsplit('.', 1)[0] + '.0/24'
            command += ['-netdev', 'user,id=n%d,net=%s,hostfwd=tcp:127.0.0.1:%d-%s:2181'
                        % (slot, net, self.ports[slot], address),
                        '-device', '%s,netdev=n%d,addr=%#x,romfile=' % (model, slot, slot)]
        return command

    def _until(self, pattern, timeout_s):
        deadline = time.monotonic() + timeout_s
        while True:
            found = re.search(pattern, self.text)
            if found:
                self.text, before = self.text[found.end():], self.text[:found.start()]
                return before.decode(errors='replace').replace('\r', ''), found
            self.wire.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                piece = self.wire.recv(65536)
            except socket.timeout:
                piece = b''
            if not piece:
                raise RuntimeError('the guest says nothing more (%s); it said: %s\n%s'
                                   % (pattern.decode(), self.text[-2000:].decode(errors='replace'),
                                      harness.tail(self.console)))
            self.text += piece

    def wait_ready(self, timeout_s=90.0):
        self._until(rb'guest: ready\r?\n', timeout_s)

    def sh(self, line, timeout_s=60.0):
        """Runs a line in the guest's shell. Gives its exit code and what it printed, both streams."""
        self.wire.sendall(line.encode() + b'\n')
        text, found = self._until(rb'guest: code (\d+)\r?\n', timeout_s)
        return int(found.group(1)), text

    def stop(self):
        """Ends the machine, as when its power is cut."""
        self.qemu.kill()
        self.qemu.wait()
        self.wire.close()
        os.unlink(self.initramfs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build')
    parser.add_argument('--memory', type=int, default=1024)
    args = parser.parse_args()
    guest = Guest(args.build, args.memory)
    try:
        guest.wait_ready()
        print('a line is run when it is whole; 10.0.2.15:2181 of card 0000:00:03.0 is 127.0.0.1:%d here, '
              '10.0.3.15:2181 of 0000:00:04.0 is 127.0.0.1:%d' % (guest.ports[3], guest.ports[4]))
        while True:
            code, text = guest.sh(input('guest# '), 3600)
            print(text, end='' if code == 0 else '(exit code %d)\n' % code)
    except (EOFError, KeyboardInterrupt):
        print()
    finally:
        guest.stop()
    return 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except harness.Skip as why:
        sys.exit('guest.py: %s' % why)
