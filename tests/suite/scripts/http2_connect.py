"""CONNECT in HTTP/2 without TLS, straight to the proxy: PROXY_PORT CA HOST PORT. Prints the status that comes back."""

import socket
import sys

import h2.config
import h2.connection
import h2.events

proxy_port, host, port = int(sys.argv[1]), sys.argv[3], int(sys.argv[4])

connection = socket.create_connection(("127.0.0.1", proxy_port), timeout=60)
h2c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, validate_outbound_headers=False))
h2c.initiate_connection()
h2c.send_headers(1, [(":method", "CONNECT"), (":authority", f"{host}:{port}")])
connection.sendall(h2c.data_to_send())
while True:
    data = connection.recv(65536)
    if not data:
        sys.exit("closed without an answer")
    for event in h2c.receive_data(data):
        if isinstance(event, h2.events.ResponseReceived):
            print(dict((bytes(name).decode(), bytes(value).decode()) for name, value in event.headers)[":status"])
            sys.exit(0)
        if isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
            sys.exit(f"{event}")
    connection.sendall(h2c.data_to_send())
