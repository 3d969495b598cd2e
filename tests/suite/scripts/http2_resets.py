"""Opens HTTP/2 streams and resets each at once, until the gateway has had enough: PROXY_PORT CA HOST PORT."""

import socket
import sys

import h2.config
import h2.connection

proxy_port, host, port = int(sys.argv[1]), sys.argv[3], int(sys.argv[4])

connection = socket.create_connection(("127.0.0.1", proxy_port), timeout=60)
connection.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
answer = b""
while b"\r\n\r\n" not in answer:
    answer += connection.recv(1)

h2c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
h2c.initiate_connection()
head = [(":method", "POST"), (":scheme", "http"), (":authority", f"{host}:{port}"), (":path", "/")]
try:
    for _ in range(5000):
        stream = h2c.get_next_available_stream_id()
        h2c.send_headers(stream, head)
        h2c.reset_stream(stream)
        connection.sendall(h2c.data_to_send())
except OSError:
    pass  # it closed the connection, which is an answer
