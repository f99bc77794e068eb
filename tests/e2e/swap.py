#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Replaces the policy by each of the given documents in turn, as fast as the answers come.

swap.py SOCKET SECONDS DOCUMENT DOCUMENT...

Prints {"swaps", "refused", "p50_ms", "p99_ms"}; each swap's CLOCK_MONOTONIC in ns before and after, and which
document it was, goes to the file named by SWAP_LOG, if any.  SWAP_MAX ends it after that many; SWAP_PAUSE seconds pass between them.
"""
import http.client
import json
import os
import socket
import sys
import time


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def main(path, seconds, *names):
    documents = [open(name, "rb").read() for name in names]
    connection = UnixConnection(path)
    end = time.monotonic() + float(seconds)
    swap_max = int(os.environ.get("SWAP_MAX", "1000000"))
    pause = float(os.environ.get("SWAP_PAUSE", "0"))
    log, times, refused = [], [], 0
    while time.monotonic() < end and len(times) < swap_max:
        which = len(times) % len(documents)
        before = time.monotonic_ns()
        connection.request("PUT", "/v1/policy", documents[which], {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        after = time.monotonic_ns()
        refused += answer.status >= 300
        times.append(after - before)
        log.append(f"{which} {before} {after}\n")
        time.sleep(pause)
    if "SWAP_LOG" in os.environ:
        with open(os.environ["SWAP_LOG"], "w") as file:
            file.writelines(log)
    times.sort()
    print(json.dumps({"swaps": len(times), "refused": refused,
                      "p50_ms": times[len(times) // 2] / 1e6,
                      "p99_ms": times[len(times) * 99 // 100] / 1e6}))


if __name__ == "__main__":
    main(*sys.argv[1:])
