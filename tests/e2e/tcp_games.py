#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Real TCP connections through the appliance, and a third party outside who sees them and sends what it likes.

tcp_games.py API_SOCKET     the hosts are the network namespaces "in" and "out"; prints one line a game

One process has sockets in both namespaces, so every game is played move by move.
"""
import ctypes
import http.client
import json
import random
import socket
import sys
import time
from urllib.parse import urlencode

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CLONE_NEWNET = 0x40000000
INSIDE, OUTSIDE = "10.0.0.1", "10.0.0.2"
LIBC = ctypes.CDLL(None, use_errno=True)


def in_namespace(name, make):
    """What `make` returns when it is called in a network namespace. Sockets stay where they are made."""
    with open("/proc/self/ns/net") as home, open(f"/run/netns/{name}") as there:
        if LIBC.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return make()
        finally:
            LIBC.setns(home.fileno(), CLONE_NEWNET)


class Api:
    def __init__(self, path):
        self.path = path

    def get(self, target):
        return json.loads(self.ask("GET", target))

    def ask(self, method, target, body=None):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(5)
        connection.sock.connect(self.path)
        content = None if body is None else json.dumps(body)
        connection.request(method, target, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status < 300, (target, answer.status, body)
        return body

    def drops(self, reason):
        return int(self.get("/v1/stats")["drops"].get(reason, 0))

    def flow(self, port, remote_port):
        """The flow of a port of the inside host and one of the outside host."""
        query = urlencode({"protocol": "tcp", "local": f"{INSIDE}/32", "local_port": port,
                           "remote_port": remote_port})
        items = self.get(f"/v1/flows?{query}")["items"]
        assert len(items) == 1, items
        return items[0]


def eventually(what, wanted, look, seconds=5):
    """Waits until `look` sees what is wanted."""
    end = time.monotonic() + seconds
    while (got := look()) != wanted:
        if time.monotonic() > end:
            sys.exit(f"{what}: is {got}, not {wanted}")
        time.sleep(0.02)


class Wire:
    """The cable at a host: every frame, and any frame."""

    def __init__(self, namespace):
        self.socket = in_namespace(namespace, self.open)

    @staticmethod
    def open():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        wire.bind(("eth0", 0))
        wire.settimeout(5)
        return wire

    def next_tcp(self, port, accept):
        """The next segment from or to a port of the inside host that `accept` takes."""
        while True:
            packet = Ether(self.socket.recv(65535))
            if TCP not in packet or packet[IP].len is None:
                continue
            tcp = packet[TCP]
            if (tcp.sport if packet[IP].src == INSIDE else tcp.dport) == port and accept(packet):
                return packet

    def flush(self):
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(65535)
        except BlockingIOError:
            self.socket.settimeout(5)


class Connection:
    """From inside to outside, both ends in hand."""

    def __init__(self, wire):
        self.wire = wire
        wire.flush()
        listener = in_namespace("out", lambda: socket.create_server((OUTSIDE, 0)))
        self.inside = in_namespace("in", lambda: socket.create_connection(listener.getsockname(), 5))
        self.outside, _ = listener.accept()
        listener.close()
        for end in (self.inside, self.outside):
            end.settimeout(5)
        self.port, self.remote_port = self.ports = self.inside.getsockname()[1], self.outside.getsockname()[1]
        self.ether = None
        self.talk()

    def talk(self):
        """A word each way; what the inside host expects next and has sent is then known."""
        self.inside.sendall(b"ping")
        assert self.outside.recv(4) == b"ping"
        self.outside.sendall(b"pong")
        assert self.inside.recv(4) == b"pong"
        packet = self.wire.next_tcp(
            self.port, lambda p: p[IP].src == OUTSIDE and bytes(p[TCP].payload)[:4] == b"pong")
        self.ether = packet[Ether].src, packet[Ether].dst
        expected = packet[TCP].seq + 4
        acknowledged = self.wire.next_tcp(
            self.port, lambda p: p[IP].src == INSIDE and p[TCP].ack == expected & 0xFFFFFFFF)
        self.inside_expects = expected & 0xFFFFFFFF
        self.outside_expects = acknowledged[TCP].seq

    def forge(self, flags, seq, ack=0, payload=b"", window=65535, checksum=None):
        """A segment in the outside host's name, with a right checksum unless one is given."""
        source, destination = self.ether
        tcp = TCP(sport=self.remote_port, dport=self.port, flags=flags, seq=seq & 0xFFFFFFFF,
                  ack=ack & 0xFFFFFFFF, window=window, chksum=checksum)
        self.wire.socket.send(bytes(Ether(src=source, dst=destination) /
                                    IP(src=OUTSIDE, dst=INSIDE) / tcp / payload))

    def close(self):
        self.inside.close()
        self.outside.close()


def blind_resets(api, wire):
    """Resets that do not know the number: none arrives, and the connection goes on."""
    connection = Connection(wire)
    before = api.drops("tcp_rst_out_of_window")
    numbers = random.Random(7)
    n = 500
    for _ in range(n):
        connection.forge(RST, connection.inside_expects + (1 << 28) + numbers.randrange(1 << 30))
    eventually("resets dropped", n, lambda: api.drops("tcp_rst_out_of_window") - before)
    assert api.flow(*connection.ports)["tcp_state"] == "established"
    connection.talk()
    connection.close()


def inexact_reset(api, wire):
    """A reset in the window: the host challenges it, and nothing ends (RFC 5961)."""
    connection = Connection(wire)
    wire.flush()
    connection.forge(RST, connection.inside_expects + 10)
    challenge = wire.next_tcp(connection.port, lambda p: p[IP].src == INSIDE)
    assert int(challenge[TCP].flags) == ACK and challenge[TCP].ack == connection.inside_expects
    assert api.flow(*connection.ports)["tcp_state"] == "established"
    connection.talk()
    connection.close()


def exact_reset(api, wire):
    """The number that the host expects: it ends the connection, and the flow."""
    connection = Connection(wire)
    connection.forge(RST, connection.inside_expects)
    eventually("state", "closed", lambda: api.flow(*connection.ports)["tcp_state"])
    flow = api.flow(*connection.ports)
    assert flow["end"] == "rst" and flow["class"] == "tcp_rst", flow
    try:
        connection.inside.recv(1)
        sys.exit("the inside host goes on")
    except ConnectionResetError:
        pass
    connection.close()


def corrupt_segments(api, wire):
    """Exact numbers and wrong checksums: the host would take none of them, and nothing ends."""
    connection = Connection(wire)
    seq, ack = connection.inside_expects, connection.outside_expects
    before = api.drops("tcp_bad_checksum")
    for n, flags in enumerate((RST, RST | ACK, FIN | ACK, SYN, SYN | ACK), 1):
        connection.forge(flags, seq, ack, checksum=0xBAD)
        eventually(f"flags {flags:x}", n, lambda: api.drops("tcp_bad_checksum") - before)
    flow = api.flow(*connection.ports)
    assert flow["tcp_state"] == "established" and flow["class"] == "tcp_established", flow
    connection.talk()
    connection.close()


def is_reset(end):
    try:
        while end.recv(65536):
            pass
        return False
    except ConnectionResetError:
        return True


def killed(api, wire):
    """An operator ends connections, idle and busy ones: both ends are reset."""
    for way in (None, "inside", "outside"):
        connection = Connection(wire)
        if way is not None:
            getattr(connection, way).sendall(b"x" * 100)  # which the peer may not have acknowledged yet
        api.ask("DELETE", f"/v1/flows/{api.flow(*connection.ports)['id']}")
        assert is_reset(connection.inside), f"inside goes on, {way} has spoken"
        assert is_reset(connection.outside), f"outside goes on, {way} has spoken"
        flow = api.flow(*connection.ports)
        assert flow["end"] == "admin", flow
        connection.close()


def silenced(api, wire):
    """Connections that a new policy blocks, and that one end goes on with: both ends are reset."""
    connection = Connection(wire)
    block = {"key": "silence", "name": "Silence", "layer": "ale_auth_connect_v4", "action": "block",
             "conditions": [{"field": "ip_remote_port", "match": "equal", "value": connection.remote_port}]}
    api.ask("POST", "/v1/filters", block)
    connection.outside.sendall(b"x")
    assert is_reset(connection.inside), "inside goes on"
    assert is_reset(connection.outside), "outside goes on"
    api.ask("DELETE", "/v1/filters/silence")
    connection.close()


def blind_data(api, wire):
    """Data, FINs and acknowledgements with numbers out of the air."""
    connection = Connection(wire)
    seq, ack = connection.inside_expects, connection.outside_expects
    far = 1 << 29
    for reason, flags, at, acknowledged in (
            ("tcp_out_of_window", PSH | ACK, seq + far, ack),
            ("tcp_out_of_window", FIN | ACK, seq - far, ack),
            ("tcp_bad_ack", PSH | ACK, seq, ack + 5000),
            ("tcp_bad_ack", ACK, seq, ack - far),
            ("tcp_bad_flags", FIN, seq, ack),
            ("tcp_bad_flags", SYN | FIN, seq, ack),
            ("tcp_bad_flags", 0, seq, ack)):
        before = api.drops(reason)
        connection.forge(flags, at, acknowledged, b"evil")
        eventually(f"{reason} flags {flags:x}", 1, lambda: api.drops(reason) - before)
    assert api.flow(*connection.ports)["tcp_state"] == "established"
    connection.talk()
    connection.close()


def syn_on_live_connection(api, wire):
    """A SYN in the midst: challenged by the host, not followed."""
    connection = Connection(wire)
    wire.flush()
    connection.forge(SYN, connection.inside_expects + (1 << 30))
    challenge = wire.next_tcp(connection.port, lambda p: p[IP].src == INSIDE)
    assert int(challenge[TCP].flags) == ACK and challenge[TCP].ack == connection.inside_expects
    assert api.flow(*connection.ports)["tcp_state"] == "established"
    connection.talk()
    connection.close()


def half_close(api, wire):
    """One side is done; the other sends on, and the flow does not get the short time-out."""
    connection = Connection(wire)
    connection.inside.shutdown(socket.SHUT_WR)
    assert connection.outside.recv(1) == b""
    eventually("state", "close_wait", lambda: api.flow(*connection.ports)["tcp_state"])
    assert api.flow(*connection.ports)["class"] == "tcp_fin"
    data = bytes(range(256)) * 256
    connection.outside.sendall(data)
    got = b""
    while len(got) < len(data):
        got += connection.inside.recv(65536)
    assert got == data
    flow = api.flow(*connection.ports)
    assert flow["tcp_state"] == "close_wait" and flow["class"] == "tcp_established", flow
    connection.outside.close()
    assert connection.inside.recv(1) == b""
    eventually("state", "time_wait", lambda: api.flow(*connection.ports)["tcp_state"])
    flow = api.flow(*connection.ports)
    assert flow["end"] == "fin" and flow["class"] == "tcp_time_wait", flow
    connection.close()


def half_open(api, wire):
    """An answer that the opener never acknowledges: not established, whatever the answer says."""
    connection = Connection(wire)
    outside_mac, inside_mac = connection.ether
    connection.close()
    silent = "10.0.0.77"  # an address that no host has: nobody resets what comes back
    inside = Wire("in")
    inside.socket.send(bytes(Ether(src=inside_mac, dst=outside_mac) / IP(src=silent, dst=OUTSIDE) /
                             TCP(sport=44001, dport=9, flags=SYN, seq=100)))

    def state():
        query = urlencode({"protocol": "tcp", "local": f"{silent}/32"})
        return [(f["tcp_state"], f["class"], f["established"])
                for f in api.get(f"/v1/flows?{query}")["items"]]

    eventually("half open", [("syn_sent", "tcp_syn", False)], state)

    def answer(ack):
        wire.socket.send(bytes(Ether(src=outside_mac, dst=inside_mac) / IP(src=OUTSIDE, dst=silent) /
                               TCP(sport=9, dport=44001, flags=SYN | ACK, seq=9000, ack=ack)))

    before = api.drops("tcp_bad_ack")
    answer(500)
    eventually("wrong answers", 1, lambda: api.drops("tcp_bad_ack") - before)
    eventually("wrongly answered", [("syn_sent", "tcp_syn", False)], state)
    answer(101)
    eventually("rightly answered", [("syn_recv", "tcp_syn", False)], state)
    inside.socket.close()


def port_reuse(api, wire):
    """The same ports again while the last connection is still remembered."""
    listener = in_namespace("out", lambda: socket.create_server((OUTSIDE, 7777)))

    def connect():
        inside = socket.socket()
        inside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        inside.bind((INSIDE, 45000))
        inside.settimeout(5)
        inside.connect((OUTSIDE, 7777))
        return inside

    ids = set()
    for _ in range(3):
        inside = in_namespace("in", connect)
        outside, _ = listener.accept()
        eventually("state", "established", lambda: api.flow(45000, 7777)["tcp_state"])
        ids.add(api.flow(45000, 7777)["id"])
        outside.close()  # closes first, so that the inside port is free at once
        assert inside.recv(1) == b""
        inside.close()
        eventually("state", "time_wait", lambda: api.flow(45000, 7777)["tcp_state"])
    assert len(ids) == 3, ids
    listener.close()
    wire.flush()


def fast_open(api, wire):
    """TCP Fast Open (RFC 7413): data in the SYN of the second connection."""
    def serve():
        server = socket.socket()
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 8)
        server.bind((OUTSIDE, 7778))
        server.listen(8)
        return server

    def ask():
        inside = socket.socket()
        inside.sendto(b"early", 0x20000000, (OUTSIDE, 7778))  # MSG_FASTOPEN
        inside.settimeout(5)
        return inside

    server = in_namespace("out", serve)
    had_data = False
    for _ in range(2):
        wire.flush()
        inside = in_namespace("in", ask)
        outside, _ = server.accept()
        assert outside.recv(5) == b"early"
        outside.sendall(b"answer")
        assert inside.recv(6) == b"answer"
        port = inside.getsockname()[1]
        syn = wire.next_tcp(port, lambda p: int(p[TCP].flags) & 0x17 == SYN)
        had_data = had_data or len(syn[TCP].payload) > 0
        eventually("state", "established", lambda: api.flow(port, 7778)["tcp_state"])
        inside.close()
        outside.close()
    assert had_data, "no SYN had data"
    server.close()


GAMES = (blind_resets, inexact_reset, exact_reset, killed, silenced, corrupt_segments, blind_data,
         syn_on_live_connection, half_close, half_open, port_reuse, fast_open)


def main():
    api = Api(sys.argv[1])
    wire = Wire("out")
    for game in GAMES:
        game(api, wire)
        print(f"{game.__name__}: {game.__doc__.splitlines()[0]}")


if __name__ == "__main__":
    main()
