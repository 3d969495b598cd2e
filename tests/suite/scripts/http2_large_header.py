"""A request in HTTP/2 with a header field of 900 kB: PROXY_PORT CA HOST PORT. Prints the status, or how it was ended."""

import sys

import h2.config
import h2.connection
import h2.events

import http2

proxy_port, ca, host, port = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
FRAME = 16_384


def integer(value, bits):
    """An integer of HPACK (RFC 7541 section 5.1) without the flags before it."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([value])
    out = [limit]
    value -= limit
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def field(name, value):
    """A literal field that is not indexed and not Huffman coded."""
    return b"\x00" + integer(len(name), 7) + name + integer(len(value), 7) + value


connection = http2.through_tunnel(proxy_port, ca, host, port)
h2c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
h2c.initiate_connection()
# The library has to know that the stream is there; its own frame is not sent.
connection.sendall(h2c.data_to_send())
h2c.send_headers(1, [(":method", "GET"), (":scheme", "https"), (":authority", host), (":path", "/")], end_stream=True)
h2c.data_to_send()
head = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", f"{host}:{port}".encode()), (b":path", b"/")]
block = b"".join(field(name, value) for name, value in [*head, (b"x-a", b"a" * 900_000)])
pieces = [block[at : at + FRAME] for at in range(0, len(block), FRAME)]
for index, piece in enumerate(pieces):
    kind = 1 if index == 0 else 9
    flags = (1 if index == 0 else 0) | (4 if index == len(pieces) - 1 else 0)
    try:
        connection.sendall(len(piece).to_bytes(3) + bytes([kind, flags]) + (1).to_bytes(4) + piece)
    except OSError:
        break
while True:
    try:
        data = connection.recv(65536)
    except OSError:
        data = b""
    if not data:
        sys.exit(print("closed"))
    for event in h2c.receive_data(data):
        if isinstance(event, h2.events.ResponseReceived):
            headers = {bytes(name).decode(): bytes(value).decode() for name, value in event.headers}
            sys.exit(print(headers[":status"]))
        if isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
            sys.exit(print("ended"))
