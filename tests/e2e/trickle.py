#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A steady trickle of datagrams, about 2,000 a second, to two ports: one forbidden, one allowed.

trickle.py send ADDRESS FORBIDDEN ALLOWED
trickle.py receive FILE FORBIDDEN ALLOWED     appends "PORT" a datagram; exit 1 at SIGTERM if one was forbidden
"""
import select
import signal
import socket
import sys
import time


def send(address, *ports):
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        for port in ports:
            out.sendto(b"trickle", (address, int(port)))
        time.sleep(0.001)


def receive(name, forbidden, *allowed):
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    sockets = {}
    for port in (forbidden, *allowed):
        into = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        into.bind(("", int(port)))
        sockets[into] = port
    n_forbidden = 0
    while not stopped:
        ready, _, _ = select.select(list(sockets), [], [], 0.1)
        for into in ready:
            into.recv(100)
            n_forbidden += sockets[into] == forbidden
            with open(name, "a") as file:
                file.write(sockets[into] + "\n")
    return 1 if n_forbidden else 0


if __name__ == "__main__":
    sys.exit((send if sys.argv[1] == "send" else receive)(*sys.argv[2:]))
