#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What clients see of builds that take long, or do not fit, in a running daemon: build.py BUILD"""
import sys
import threading
import time

from daemon import Daemon

FAULTS = []


def check(name, ok, detail=""):
    print(f"{'ok    ' if ok else 'FAILED'} {name} {'' if ok else detail}".rstrip())
    if not ok:
        FAULTS.append(name)


def policy(n):
    """Filters that differ in their network and port."""
    return {"filters": [
        {"key": f"f{i}", "name": "F", "layer": "inbound_transport_v4", "action": "block",
         "conditions": [{"field": "ip_remote_address", "match": "equal", "value": f"{1 + (i >> 16)}.{i >> 8 & 255}.{i & 255}.0/24"},
                        {"field": "ip_local_port", "match": "equal", "value": i % 1000}]}
        for i in range(n)]}


def too_large(build):
    with Daemon(build, config={"memory": {"hugepages": False, "megabytes": 128, "compiled_megabytes": 1}}) as daemon:
        answer = daemon.call("PUT", "/v1/policy", policy(20000))
        check("a policy that does not fit is refused", answer.status == 507 and answer.json["code"] == "no_memory", answer.body)
        text = str(answer.json)
        check("it says what it needs and what there is", "need" in text and "the limit is 1048576 bytes" in text, text)
        engine = daemon.call("GET", "/v1/engine").json
        check("nothing has changed", engine["revision"] == "1" and engine["objects"]["filters"] == 0, engine)
        check("a small one fits", daemon.call("PUT", "/v1/policy", policy(10)).status == 200)


class Put(threading.Thread):
    """A change on a thread of its own."""

    def __init__(self, daemon, path, body):
        super().__init__()
        self.daemon_under_test, self.path, self.body, self.answer = daemon, path, body, None
        self.start()

    def run(self):
        self.answer = self.daemon_under_test.call("PUT", self.path, self.body)


def together(build):
    """A change that comes while another is being built is built with it."""
    one = {"name": "One", "layer": "inbound_transport_v4", "action": "permit"}
    with Daemon(build) as daemon:
        large = Put(daemon, "/v1/policy", policy(60000))
        phases, small, slowest = set(), None, 0
        while large.is_alive():
            start = time.monotonic()
            engine = daemon.call("GET", "/v1/engine").json
            slowest = max(slowest, time.monotonic() - start)
            phases.add(engine["build"]["commit"]["phase"])
            if small is None and engine["build"]["commit"]["phase"] == "edit":
                small = Put(daemon, "/v1/filters/one", one)
        small.join()
        build_of = daemon.call("GET", "/v1/engine").json["build"]
        check("the build is seen", "edit" in phases and "compile" in phases, phases)
        check("readers do not wait for it", slowest < 2, slowest)
        check("it was stopped for the other", build_of["superseded"] == 1, build_of)
        check("both are made", large.answer.status == 200 and small.answer.status == 201,
              (large.answer.status, small.answer.status))
        check("in one revision", large.answer.json["revision"] == "2" and daemon.call("GET", "/v1/engine").json["revision"] == "2",
              large.answer.json["revision"])
        check("nothing is under way any more", build_of["commit"]["phase"] == "idle", build_of)


def main():
    too_large(sys.argv[1])
    together(sys.argv[1])
    print(f"{len(FAULTS)} failed")
    return 1 if FAULTS else 0


if __name__ == "__main__":
    sys.exit(main())
