#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Questions to groups, and answers of many hosts to whoever asked.

questions.py serve INTERFACE GROUP PORT ADDRESS...
    Answers questions to the group, and to everybody, from port PORT of each ADDRESS, and every further word of
    who asked with "again".
questions.py ask SOURCE DESTINATION PORT SIZE DELAY OFFSET [listen|talk]
    Asks once from a port of its own; wants SIZE bytes DELAY seconds later, at the port OFFSET behind the one it asks from.
    Prints how many hosts it heard.  talk: answers each of them, and prints of how many it heard again.
"""
import ipaddress
import selectors
import socket
import struct
import sys
import threading
import time

WAIT = 1.5
SO_RCVBUFFORCE = 33


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def bound(address, port):
    one = socket.socket(family(address), socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # All answers may be there before the first is read.
    one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
    one.bind((address, port))
    one.setblocking(False)
    return one


def listener(group, port, interface):
    one = bound("::" if ":" in group else "0.0.0.0", port)
    index = socket.if_nametoindex(interface)
    packed = ipaddress.ip_address(group).packed
    if ":" in group:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, packed + struct.pack("@I", index))
    else:
        one.setsockopt(
            socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, packed + struct.pack("@4sI", bytes(4), index)
        )
    return one


def serve(interface, group, port, addresses):
    hosts = [bound(address, port) for address in addresses]
    ears = listener(group, port, interface)
    with selectors.DefaultSelector() as selector:
        for one in hosts + [ears]:
            selector.register(one, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in selector.select():
                data, client = key.fileobj.recvfrom(65536)
                if key.fileobj is not ears:
                    key.fileobj.sendto(b"again", client)
                    continue
                size, delay, offset = data.decode().split()
                to = (client[0], client[1] + int(offset))
                threading.Timer(float(delay), answer, (hosts, to, int(size))).start()


def answer(hosts, to, size):
    for one in hosts:
        one.sendto(b"x" * size, to)


def pair(source, offset):
    """Two sockets, the second's port `offset` behind the first's; one when it is 0."""
    while True:
        first = bound(source, 0)
        if offset == 0:
            return first, first
        try:
            return first, bound(source, first.getsockname()[1] + offset)
        except OSError:
            first.close()


def hear(one, wanted, until):
    """Who said `wanted` until then."""
    heard = set()
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ)
        while (left := until - time.monotonic()) > 0:
            for _ in selector.select(left):
                data, host = one.recvfrom(65536)
                if data == wanted:
                    heard.add(host[0])
    return heard


def ask(source, destination, port, size, delay, offset, mode):
    mouth, ear = pair(source, offset)
    mouth.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if family(source) == socket.AF_INET:
        mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
    mouth.sendto(f"{size} {delay} {offset}".encode(), (destination, port))
    until = time.monotonic() + delay + WAIT
    hosts = hear(ear, b"x" * size, until)
    if mode == "listen":
        return len(hosts)
    for host in hosts:
        ear.sendto(b"and you?", (host, port))
    return len(hear(ear, b"again", time.monotonic() + WAIT))


def main(what, *rest):
    if what == "serve":
        serve(rest[0], rest[1], int(rest[2]), rest[3:])
    source, destination, port, size, delay, offset = rest[:6]
    mode = rest[6] if len(rest) > 6 else "listen"
    print(ask(source, destination, int(port), int(size), float(delay), int(offset), mode))


if __name__ == "__main__":
    main(*sys.argv[1:])
