"""Opens HTTP/2 streams and resets each at once, until the gateway has had enough: PROXY_PORT CA HOST PORT."""

import sys

import h2.config
import h2.connection

import http2

proxy_port, ca, host, port = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])

connection = http2.through_tunnel(proxy_port, ca, host, port)
h2c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
h2c.initiate_connection()
head = [(":method", "POST"), (":scheme", "https"), (":authority", f"{host}:{port}"), (":path", "/")]
try:
    for _ in range(5000):
        stream = h2c.get_next_available_stream_id()
        h2c.send_headers(stream, head)
        h2c.reset_stream(stream)
        connection.sendall(h2c.data_to_send())
except OSError:
    pass  # it closed the connection, which is an answer
