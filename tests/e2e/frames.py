#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Sends frames from one packet socket and compares them at another, VLAN tags and all.

frames.py send INTERFACE FRAME...
frames.py receive INTERFACE FRAME...    prints "ready", then the number of each frame that arrived unchanged

A FRAME is [TYPE-TCI[.TYPE-TCI]]:PORT:PAYLOAD: UDP over IPv4 to PORT with PAYLOAD bytes, behind VLAN tags.
"""
import socket
import struct
import sys
import time

from scapy.all import IP, UDP, Ether, Raw

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_OUTGOING = 4
VLAN_VALID = 0x10


def make(number, text):
    tags, port, payload = text.split(":")
    packet = IP(src="10.0.0.1", dst="10.0.0.2", id=number) / UDP(sport=5555, dport=int(port)) / \
        Raw(bytes(i & 255 for i in range(int(payload))))
    frame = bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x800) / packet)
    between = b"".join(bytes.fromhex(tag.replace("-", "")) for tag in tags.split(".") if tag)
    return frame[:12] + between + frame[12:]


def open_socket(interface):
    both = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    both.bind((interface, ETH_P_ALL))
    return both


def send(interface, frames):
    out = open_socket(interface)
    for frame in frames:
        out.send(frame)


def restore(frame, ancillary):
    """Puts back the tag that the kernel takes off before a packet socket sees the frame."""
    for level, kind, data in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
            if status & VLAN_VALID:
                return frame[:12] + struct.pack("!HH", tpid or 0x8100, tci) + frame[12:]
    return frame


def receive(interface, frames):
    into = open_socket(interface)
    into.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    into.settimeout(0.1)
    print("ready", flush=True)
    # The sender may take its time to start; once it sends, what does not come soon does not come.
    arrived, end = set(), time.monotonic() + 15
    while time.monotonic() < end and len(arrived) < len(frames):
        try:
            frame, ancillary, _, address = into.recvmsg(65536, 256)
        except socket.timeout:
            continue
        frame = restore(frame, ancillary)
        if address[2] != PACKET_OUTGOING and frame in frames:
            arrived.add(frames.index(frame))
            end = time.monotonic() + 1.5
    print("\n".join(str(number) for number in sorted(arrived)))


if __name__ == "__main__":
    made = [make(number, text) for number, text in enumerate(sys.argv[3:])]
    (send if sys.argv[1] == "send" else receive)(sys.argv[2], made)
