# SPDX-License-Identifier: BSD-3-Clause
"""Conversations whose facts are known: UDP, ICMP echo, protocols without ports, TCP, and ICMP errors about them."""
import ipaddress

from facts import *
from scapy.layers.inet6 import ICMPv6EchoReply

INSIDE = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8:1::/48")]
SYN, ACK, FIN = 2, 16, 1


class Talker(Maker):
    """Packets of hosts on both sides."""

    def __init__(self, random):
        super().__init__(random)
        self.tcp_ports = iter(range(20000, 60000))

    def pair(self, version):
        """(host inside, host outside)."""
        own = self.random.randint(1, 3)
        far = self.random.randint(7, 9)
        names = (f"10.0.0.{own}", f"198.51.100.{far}") if version == 4 else (f"2001:db8:1::{own}", f"2001:db8:2::{far}")
        return tuple(map(ipaddress.ip_address, names))

    def packet(self, hosts, outbound, body, carried, opened_outbound, layers=()):
        source, destination = hosts if outbound else hosts[::-1]
        version = source.version
        ttl = self.random.choice((63, 64, 128))
        head = {"src": str(source), "dst": str(destination)}
        if version == 4:
            packet = IP(**head, ttl=ttl, proto=carried["protocol"]) / body
        else:
            packet = IPv6(**head, hlim=ttl, nh=carried["protocol"]) / body
        facts = {
            "version": version, "source": source, "destination": destination, "ttl": ttl, "dscp": 0,
            "length": len(packet), "ether_type": 0x0800 if version == 4 else 0x86DD, **carried,
            "opened_outbound": opened_outbound, "flow_layers": [f"{layer}_v{version}" for layer in layers],
        }  # fmt: skip
        macs = (b"\2\0\0\0\0\1", b"\2\0\0\0\0\2")
        return self.dress((*(macs if outbound else macs[::-1]), []), packet, facts)

    def auth(self, outbound):
        return "ale_auth_connect" if outbound else "ale_auth_recv_accept"

    def exchange(self, make):
        """A few packets in either direction; whoever sends first opens."""
        version = self.random.choice((4, 4, 6))
        hosts, opened, packets = self.pair(version), None, []
        for _ in range(self.random.randint(1, 5)):
            outbound = self.random.random() < 0.5
            opened = outbound if opened is None else opened
            body, carried = make(version, outbound)
            layers = (self.auth(outbound), "ale_flow_established", "datagram_data")
            packets.append(self.packet(hosts, outbound, body, carried, opened, layers))
        return hosts, packets

    def udp(self):
        local, remote = self.random.choice((53, 1024, 5000)), self.random.choice((53, 123, 5000))

        def make(_version, outbound):
            ports = (local, remote) if outbound else (remote, local)
            return UDP(sport=ports[0], dport=ports[1]) / b"data", {
                "protocol": 17, "source_port": ports[0], "destination_port": ports[1]}  # fmt: skip

        hosts, packets = self.exchange(make)
        if self.random.random() < 0.4:
            packets.insert(self.random.randint(0, len(packets)), self.error(hosts, local, remote))
        return packets

    def error(self, hosts, local, remote):
        """A host of either side complains about a datagram that came to it."""
        outbound, version = self.random.random() < 0.5, hosts[0].version
        ends, ports = (hosts[::-1], (remote, local)) if outbound else (hosts, (local, remote))
        head = {"src": str(ends[0]), "dst": str(ends[1])}
        if version == 4:
            body = ICMP(type=3, code=3) / IPerror(**head, proto=17) / UDPerror(sport=ports[0], dport=ports[1])
            carried = {"protocol": 1, "icmp_type": 3, "icmp_code": 3}
        else:
            inner = IPv6(**head, nh=17) / UDP(sport=ports[0], dport=ports[1])
            body = ICMPv6DestUnreach(code=4) / Raw(bytes(inner))
            carried = {"protocol": 58, "icmp_type": 1, "icmp_code": 4}
        carried["embedded"] = True
        carried["about"] = (*hosts, 17, local, remote)
        return self.packet(hosts, outbound, body, carried, None)

    def echo(self):
        """Requests of one side, replies of the other."""
        name, asker = self.random.choice((1, 2, 3, 4)), self.random.random() < 0.5

        def make(version, outbound):
            asks = outbound == asker
            if version == 4:
                kind = 8 if asks else 0
                return ICMP(type=kind, id=name) / b"ping", {
                    "protocol": 1, "icmp_type": kind, "icmp_code": 0, "icmp_id": name}  # fmt: skip
            kind = 128 if asks else 129
            body = (ICMPv6EchoRequest if asks else ICMPv6EchoReply)(id=name, data=b"ping")
            return body, {"protocol": 58, "icmp_type": kind, "icmp_code": 0, "icmp_id": name}

        return self.exchange(make)[1]

    def other(self):
        return self.exchange(lambda _version, _outbound: (Raw(bytes(24)), {"protocol": 253}))[1]

    def tcp(self):
        """A connection with data, up to its end."""
        opener, port = self.random.random() < 0.5, next(self.tcp_ports)
        hosts, service = self.pair(self.random.choice((4, 4, 6))), self.random.choice((22, 80, 443))
        seq = {True: self.random.getrandbits(32), False: self.random.getrandbits(32)}
        steps = [(opener, SYN, b""), (not opener, SYN | ACK, b""), (opener, ACK, b"")]
        steps += [(self.random.random() < 0.5, ACK | 8, b"data") for _ in range(self.random.randrange(4))]
        if self.random.random() < 0.5:
            steps += [(opener, FIN | ACK, b""), (not opener, FIN | ACK, b""), (opener, ACK, b"")]
        packets = []
        for outbound, flags, data in steps:
            ports = (port, service) if outbound == opener else (service, port)
            body = TCP(sport=ports[0], dport=ports[1], flags=flags, seq=seq[outbound], window=8000,
                       ack=seq[not outbound] if flags & ACK else 0) / data  # fmt: skip
            seq[outbound] = (seq[outbound] + len(data) + bool(flags & (SYN | FIN))) & 0xFFFFFFFF
            layers = ["stream_packet"]
            layers += [self.auth(opener)] if flags == SYN else ["ale_flow_established"] if flags == ACK else []
            packets.append(self.packet(hosts, outbound, body, {
                "protocol": 6, "source_port": ports[0], "destination_port": ports[1], "tcp_flags": flags},
                opener, layers))  # fmt: skip
        return packets

    def talks(self, n):
        kinds = (self.udp, self.udp, self.echo, self.other, self.tcp, self.tcp)
        return [self.random.choice(kinds)() for _ in range(n)]
