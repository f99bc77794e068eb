#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Many conversations at once, each from a port of its own; says which were not answered.

flows.py serve PORT                         echoes TCP and UDP, IPv4 and IPv6
flows.py udp|tcp ADDRESS PORT N SIZE        N of them, each sends SIZE bytes and wants them back
flows.py hold ADDRESS PORT N SECONDS        N connections, which ask and are answered all the time, each for itself;
                                            prints "ready" first, and then the longest time in which one of them had
                                            no answer, in milliseconds
flows.py refused ADDRESS PORT N             N datagrams to a closed port: each wants its port unreachable
flows.py expired ADDRESS PORT N             N datagrams with a time to live of 1: each wants its time exceeded

Prints how many failed. A datagram that a busy machine may have lost is sent up to three times.
"""
import errno
import selectors
import socket
import sys
import threading
import time

IP_RECVERR = 11
IPV6_RECVERR = 25
WAIT = 1.0
PATIENCE = 90.0  # for the last answers: a network that loses most packets makes TCP wait longer each time
TRIES = 3


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def echo_tcp(connection):
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)


def serve(port):
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.bind(("::", port))
    tcp = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind(("::", port))
    tcp.listen(512)

    def accept():
        while True:
            threading.Thread(target=echo_tcp, args=(tcp.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    while True:
        data, client = udp.recvfrom(65536)
        udp.sendto(data, client)


def ask_tcp(address, port, n, size):
    failed = 0
    connections = []
    for _ in range(n):
        connection = socket.socket(family(address), socket.SOCK_STREAM)
        connection.settimeout(5)
        try:
            connection.connect((address, port))
            connections.append(connection)
        except OSError as error:
            print("connect:", error, file=sys.stderr)
            failed += 1
    # All are open at once; each speaks twice.
    for part in (b"a", b"b"):
        for connection in connections:
            connection.sendall(part * size)
        for connection in connections:
            try:
                got = b""
                while len(got) < size:
                    got += connection.recv(65536)
                failed += got != part * size
            except OSError as error:
                print("answer:", error, file=sys.stderr)
                failed += 1
    return failed


class Held:
    """A connection that asks, waits for the answer, rests, and asks again."""

    QUESTION = b"still"
    REST = 0.05

    def __init__(self, address, port):
        self.socket = socket.create_connection((address, port), 5)
        self.socket.setblocking(False)
        self.answer = b""
        self.is_waiting = False
        self.is_failed = False
        self.last = time.monotonic()
        self.silence = 0.0  # the longest time between two answers, rest included

    def look(self, now):
        self.silence = max(self.silence, now - self.last)

    def ask(self, now):
        if self.is_waiting or self.is_failed or now < self.last + self.REST:
            return
        try:
            self.is_waiting = self.socket.send(self.QUESTION) > 0
        except OSError as error:
            self.fail(error)

    def listen(self, now):
        try:
            got = self.socket.recv(len(self.QUESTION) - len(self.answer))
        except OSError as error:
            self.fail(error)
            return
        self.answer += got
        if got == b"" or not self.QUESTION.startswith(self.answer):
            self.fail(f"{got} is no answer")
        elif self.answer == self.QUESTION:
            self.look(now)
            self.answer, self.is_waiting, self.last = b"", False, now

    def fail(self, why):
        print(why, file=sys.stderr)
        self.is_failed, self.is_waiting = True, False


def hold(address, port, n, seconds):
    connections = [Held(address, port) for _ in range(n)]
    print("ready", flush=True)
    selector = selectors.DefaultSelector()
    for one in connections:
        one.last = time.monotonic()
        selector.register(one.socket, selectors.EVENT_READ, one)
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end or (now < end + PATIENCE and any(one.is_waiting for one in connections)):
        for one in connections:
            if now < end:
                one.ask(now)
        for key, _ in selector.select(0.01):
            key.data.listen(time.monotonic())
            if key.data.is_failed:
                selector.unregister(key.data.socket)
        if now < end:
            for one in connections:
                one.look(now)
    print(round(1000 * max(one.silence for one in connections)))
    return sum(one.is_failed or one.is_waiting for one in connections)


def each_datagram(sockets, payload, is_answer):
    """Sends `payload` by all sockets until each has its answer; returns how many have none."""
    waiting = set(sockets)
    for _ in range(TRIES):
        with selectors.DefaultSelector() as selector:
            for one in waiting:
                selector.register(one, selectors.EVENT_READ)
                try:
                    one.send(payload)
                except OSError as error:
                    if is_answer(None, error):
                        waiting = waiting - {one}
            end = time.monotonic() + WAIT
            while waiting and time.monotonic() < end:
                for key, _ in selector.select(0.05):
                    try:
                        data, error = key.fileobj.recv(65536), None
                    except OSError as caught:
                        data, error = None, caught
                    if is_answer(data, error):
                        waiting = waiting - {key.fileobj}
        if not waiting:
            break
    return len(waiting)


def make_sockets(address, port, n):
    sockets = []
    for _ in range(n):
        one = socket.socket(family(address), socket.SOCK_DGRAM)
        one.setblocking(False)
        one.connect((address, port))
        sockets.append(one)
    return sockets


def ask_udp(address, port, n, size):
    payload = bytes(i * 7 & 255 for i in range(size))
    return each_datagram(make_sockets(address, port, n), payload, lambda data, _: data == payload)


def ask_errors(address, port, n, wanted, ttl):
    sockets = make_sockets(address, port, n)
    for one in sockets:
        if family(address) == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
        else:
            one.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            one.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    return each_datagram(sockets, b"x", lambda _, error: error is not None and error.errno == wanted)


def main(what, *rest):
    if what == "serve":
        serve(int(rest[0]))
    address, port, n = rest[0], int(rest[1]), int(rest[2])
    if what == "tcp":
        print(ask_tcp(address, port, n, int(rest[3])))
    elif what == "hold":
        print(hold(address, port, n, float(rest[3])))
    elif what == "udp":
        print(ask_udp(address, port, n, int(rest[3])))
    elif what == "refused":
        print(ask_errors(address, port, n, errno.ECONNREFUSED, 64))
    else:
        print(ask_errors(address, port, n, errno.EHOSTUNREACH, 1))


if __name__ == "__main__":
    main(*sys.argv[1:])
