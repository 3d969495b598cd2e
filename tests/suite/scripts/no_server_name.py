"""HTTPS through a CONNECT proxy without sending a server name: PROXY_PORT CA HOST PORT."""

import socket
import ssl
import sys

proxy_port, ca, host, port = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])

connection = socket.create_connection(("127.0.0.1", proxy_port), timeout=60)
connection.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
answer = b""
while b"\r\n\r\n" not in answer:
    answer += connection.recv(1)
assert b" 200 " in answer.splitlines()[0], answer

context = ssl.create_default_context(cafile=ca)
context.check_hostname = False  # there is no name to check; the certificate is printed instead
tls = context.wrap_socket(connection, server_hostname=None)
for kind, name in tls.getpeercert()["subjectAltName"]:
    print(f"{kind}:{name}")
tls.sendall(f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
answer = b""
while piece := tls.recv(65536):
    answer += piece
print(answer.decode())
