#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The smallest client and server: one question, one answer, over TCP or UDP, IPv4 or IPv6.

exchange.py serve tcp|udp ADDRESS PORT
exchange.py listening tcp|udp PORT        exit 0 when somebody in this namespace does
exchange.py ask tcp|udp ADDRESS PORT      exit 0: answered; 1: refused, 2: timed out, 3: other
"""
import socket
import sys

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(kind, address, port):
    server = socket.socket(family(address), KINDS[kind])
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    if kind == "udp":
        while True:
            _, client = server.recvfrom(65535)
            server.sendto(b"pong", client)
    server.listen(16)
    while True:
        connection, _ = server.accept()
        with connection:
            connection.recv(4)
            connection.sendall(b"pong")


def listening(kind, port):
    for name in (kind, kind + "6"):
        with open(f"/proc/net/{name}") as table:
            for line in list(table)[1:]:
                if int(line.split()[1].rsplit(":", 1)[1], 16) == port:
                    return 0
    return 1


def ask(kind, address, port):
    client = socket.socket(family(address), KINDS[kind])
    client.settimeout(1)
    try:
        client.connect((address, port))
        client.send(b"ping")
        answer = client.recv(4)
    except ConnectionRefusedError:
        print("refused")
        return 1
    except ConnectionResetError:
        print("reset")
        return 1
    except (socket.timeout, TimeoutError):
        print("timed out")
        return 2
    except OSError as error:
        print(error)
        return 3
    print(answer.decode())
    return 0 if answer == b"pong" else 3


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    elif sys.argv[1] == "listening":
        sys.exit(listening(sys.argv[2], int(sys.argv[3])))
    else:
        sys.exit(ask(sys.argv[2], sys.argv[3], int(sys.argv[4])))
