"""An HTTP/2 client that stops half way: PROXY_PORT CA HOST PORT WHAT. Ends well if the gateway ends the connection."""

import ssl
import sys

import h2.config
import h2.connection
import h2.events

import http2

proxy_port, ca, host, port, what = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]

connection = http2.through_tunnel(proxy_port, ca, host, port)
h2c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
h2c.initiate_connection()
head = [(":method", "POST"), (":scheme", "https"), (":authority", f"{host}:{port}"), (":path", "/")]


def settle(until):
    """Reads until an event of this kind, or the end."""
    while True:
        data = connection.recv(65536)
        if not data:
            return None
        for event in h2c.receive_data(data):
            connection.sendall(h2c.data_to_send())
            if isinstance(event, until):
                return event


if what == "silent":
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
elif what == "idle":
    h2c.send_headers(1, head, end_stream=True)
    connection.sendall(h2c.data_to_send())
    assert settle(h2.events.StreamEnded) is not None
elif what == "half-headers":
    connection.sendall(h2c.data_to_send())
    # A HEADERS frame of 100 bytes without END_HEADERS, of which ten come.
    connection.sendall(b"\x00\x00\x64\x01\x00\x00\x00\x00\x01" + b"\x82" * 10)
elif what == "half-body":
    h2c.send_headers(1, head)
    h2c.send_data(1, b"12345")
    connection.sendall(h2c.data_to_send())

# Now nothing more is sent. A timeout of the socket is the failure.
while True:
    try:
        if not connection.recv(65536):
            break
    except (ConnectionResetError, ssl.SSLError):
        break
