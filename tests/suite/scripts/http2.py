"""A TLS connection with HTTP/2 inside a tunnel of the gateway, for clients that then do what no library would."""

import socket
import ssl


def through_tunnel(proxy_port, ca, host, port):
    connection = socket.create_connection(("127.0.0.1", proxy_port), timeout=60)
    connection.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(1)
    assert b" 200 " in answer.splitlines()[0], answer
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["h2"])
    tls = context.wrap_socket(connection, server_hostname=host)
    assert tls.selected_alpn_protocol() == "h2"
    return tls
