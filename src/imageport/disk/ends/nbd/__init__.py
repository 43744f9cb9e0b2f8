"""NBD exports as disks: a client of the protocol, over TCP or a Unix socket, plain or TLS.

Source: "The NBD protocol", doc/proto.md of github.com/NetworkBlockDevice/nbd; its section titles
are named where they are used. TLS is by certificate: pre-shared keys need an `ssl` newer than
Python 3.11's, anonymous TLS proves nothing.
"""
