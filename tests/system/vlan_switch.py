"""vlan_switch: one port of a switch that tags: between an interface whose frames are tagged (`trunk`) and one whose
are not (`access`). What comes from access leaves tagged; what comes from the trunk with the same id leaves without;
what else comes there is dropped. Every frame of the trunk is written down. This kernel has no VLAN interfaces."""
import collections
import select
import socket
import struct
import threading

AUXDATA, SOL_PACKET, OUTGOING, TAG_VALID = 8, 263, 4, 16
IPV4, TCP, UDP = 0x0800, 6, 17

# id and priority: None when the frame had no tag
Seen = collections.namedtuple('Seen', 'vlan priority kind protocol')


class Switch:
    def __init__(self, trunk, access, vlan, priority=0):
        self.tag = struct.pack('>HH', 0x8100, priority << 13 | vlan)
        self.vlan = vlan
        self.seen = []
        self.trunk, self.access = (self.open(name) for name in (trunk, access))
        self.ends = socket.socketpair()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @staticmethod
    def open(name):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        sock.setsockopt(SOL_PACKET, AUXDATA, 1)
        sock.bind((name, 3))
        return sock

    def run(self):
        while True:
            ready = select.select([self.trunk, self.access, self.ends[1]], [], [])[0]
            if self.ends[1] in ready:
                return
            for sock in ready:
                try:
                    frame, aux, _, where = sock.recvmsg(65536, 256)
                    if where[2] != OUTGOING:
                        self.carry(sock, frame, aux)
                except OSError:
                    pass    # an interface is down: lost, as on a cable

    def carry(self, sock, frame, aux):
        if sock is self.access:
            self.trunk.send(frame[:12] + self.tag + frame[12:])
            return
        tag = None
        for level, kind, data in aux:
            status, _, _, _, _, tci = struct.unpack('=IIIHHH', data[:18])
            if (level, kind) == (SOL_PACKET, AUXDATA) and status & TAG_VALID:
                tag = tci
        kind = struct.unpack('>H', frame[12:14])[0]
        self.seen.append(Seen(None if tag is None else tag & 0xfff, None if tag is None else tag >> 13, kind,
                              frame[23] if kind == IPV4 else None))
        if (tag or 0) & 0xfff == self.vlan:
            self.access.send(frame)

    def tags(self, protocol):
        """The (id, priority) of the IPv4 frames of this protocol that came from the trunk."""
        return {(s.vlan, s.priority) for s in list(self.seen) if s.protocol == protocol}

    def close(self):
        self.ends[0].send(b'x')
        self.thread.join()
        for sock in (self.trunk, self.access) + self.ends:
            sock.close()
