#!/usr/bin/python3
"""First steps with takt from Python, by way of kazoo, the usual ZooKeeper client.

usage: first_steps.py [HOST:PORT]        (127.0.0.1:2181 when none is given)

Debian: apt-get install python3-kazoo
"""
import sys

from kazoo.client import KazooClient

address = sys.argv[1] if len(sys.argv) > 1 else '127.0.0.1:2181'

# A session of 5 seconds: kazoo keeps it alive; if this program died, the server would
# end the session 5 seconds later, and delete what belongs to it.
client = KazooClient(hosts=address, timeout=5.0)
client.start()
print('connected to %s, session 0x%x' % (address, client.client_id[0]))

# Two nodes that belong to the session: ephemerals.
for path, data in (('/node1', b'first'), ('/node2', b'second')):
    client.create(path, data, ephemeral=True)
    print('created', path)

# Each read gives the data and a Stat; its version says which state of the node one has seen.
for path in ('/node1', '/node2'):
    data, stat = client.get(path)
    print('%s holds %s at version %d' % (path, data.decode(), stat.version))

    # Change it only if nobody has in between: another version would raise BadVersionError.
    stat = client.set(path, data + b', changed', version=stat.version)
    print('%s is now at version %d' % (path, stat.version))

    client.delete(path, version=stat.version)
    print('deleted', path)

client.stop()       # closes the session
client.close()
print('closed')
