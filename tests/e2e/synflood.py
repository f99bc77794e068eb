#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""SYNs from ever other addresses and ports, as fast as wanted.

synflood.py INTERFACE MAC ADDRESS PORT SECONDS RATE     RATE frames a second; 0: as many as go

Prints how many frames were sent.  Checksums are right: what changes in one field is taken back in another, which adds
up to the same in ones' complement.
"""
import ctypes
import os
import socket
import sys
import time

from scapy.all import IP, TCP, Ether

BATCH = 256
SOURCE, ID, SPORT, SEQ, ACK = 28, 18, 34, 38, 42
COMPLEMENT = bytes(255 - i for i in range(256))


class IoVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class MsgHdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.POINTER(IoVec)),
                ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


class MMsgHdr(ctypes.Structure):
    _fields_ = [("header", MsgHdr), ("len", ctypes.c_uint)]


def make_batch(frame):
    """One buffer of BATCH frames, and what sendmmsg wants to know of them."""
    frames = bytearray(frame * BATCH)
    base = ctypes.addressof(ctypes.c_char.from_buffer(frames))
    vectors = (IoVec * BATCH)()
    messages = (MMsgHdr * BATCH)()
    for i in range(BATCH):
        vectors[i] = IoVec(base + i * len(frame), len(frame))
        messages[i].header.iov = ctypes.pointer(vectors[i])
        messages[i].header.iovlen = 1
    return frames, messages, vectors


def vary(frames, size):
    """The last two bytes of the source address, the source port, and their complements elsewhere."""
    for byte in (0, 1):
        address, port = os.urandom(BATCH), os.urandom(BATCH)
        frames[SOURCE + byte::size] = address
        frames[ID + byte::size] = address.translate(COMPLEMENT)
        frames[SEQ + 2 + byte::size] = address.translate(COMPLEMENT)
        frames[SPORT + byte::size] = port
        frames[ACK + byte::size] = port.translate(COMPLEMENT)


def main(interface, mac, address, port, seconds, rate):
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((interface, 0))
    # 198.18.0.0/15 is for benchmarks (RFC 2544). The checksums are those of complements that are there already.
    frame = bytes(Ether(dst=mac, src="02:00:00:00:00:66", type=0x800) /
                  IP(src="198.18.0.0", dst=address, id=0xffff) /
                  TCP(sport=0, dport=int(port), seq=0x1000ffff, ack=0xffff0000, flags="S"))
    frames, messages, _vectors = make_batch(frame)
    sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
    start, n, rate = time.monotonic(), 0, int(rate)
    while (now := time.monotonic()) < start + float(seconds):
        if rate and n > (now - start) * rate:
            time.sleep(0.0005)
            continue
        vary(frames, len(frame))
        n += max(0, sendmmsg(out.fileno(), messages, BATCH, 0))
    print(n)


if __name__ == "__main__":
    main(*sys.argv[1:])
