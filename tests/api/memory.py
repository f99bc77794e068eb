#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Memory that fails: memory.py BUILD FAILING_MEMORY_SO

The golden requests again and again, while allocations of the threads that serve them fail.  An answer may
be "not enough memory", or the connection may end; every other answer must be whole, and afterwards
everything works.
"""
import collections
import http.client
import json
import os
import signal
import sys
import time

import contract
from daemon import Daemon

RATES = (300, 40)
ROUNDS = 4
SKIPPED = 77


def requests(daemon):
    for file in sorted((contract.ROOT / "tests/api/golden").glob("*.json")):
        for step in json.loads(file.read_text()):
            method, path = step["request"].split(" ", 1)
            body = step.get("body")
            if body is not None:
                body = json.loads(json.dumps(body).replace("<build>", str(daemon.build)))
            if "raw" in step:
                body = step["raw"].encode()
            yield method, path, body, step.get("headers")


def answers(daemon):
    """How often each status, or the end of the connection, was the answer."""
    seen = collections.Counter()
    for _ in range(ROUNDS):
        for method, path, body, headers in requests(daemon):
            try:
                seen[daemon.call(method, path, body, headers, timeout=20).status] += 1
            except (OSError, http.client.HTTPException):
                seen["ended"] += 1
            if daemon.process.poll() is not None:
                contract.fail(f"sluiced ended with {daemon.process.returncode} at {method} {path}")
                return seen
    return seen


def run(build, document, library, rate):
    os.environ["LD_PRELOAD"] = library
    os.environ["FAILING_MEMORY"] = str(rate)
    with contract.WatchedDaemon(build) as daemon:
        del os.environ["LD_PRELOAD"]
        daemon.contract = contract.Contract(document)
        daemon.contract.may_lack_memory = True
        daemon.process.send_signal(signal.SIGUSR1)
        time.sleep(0.05)
        seen = answers(daemon)
        if seen[507] == 0 or seen[200] == 0:
            contract.fail(f"memory did not fail, or always did: {seen}")
        daemon.process.send_signal(signal.SIGUSR1)
        time.sleep(0.05)
        for method, path, body in (("GET", "/v1/filters", None), ("PUT", "/v1/policy", {}), ("GET", "/v1/policy", None)):
            status = daemon.call(method, path, body).status
            if status != 200:
                contract.fail(f"{method} {path} answers {status} when memory is there again")
    if daemon.exit_status != 0:
        contract.fail(f"sluiced ended with {daemon.exit_status}")
    print(f"one allocation in {rate} failed: {dict(sorted(seen.items(), key=str))}")


def main():
    build, library = sys.argv[1], os.path.abspath(sys.argv[2])
    with Daemon(build) as daemon:
        if daemon.slack > 1:
            print("skipped: a sanitizer has its own allocator")
            return SKIPPED
        document = daemon.call("GET", "/v1/openapi.json").json
    for rate in RATES:
        run(build, document, library, rate)
    print(f"{len(contract.failures)} faults")
    return 1 if contract.failures else 0


if __name__ == "__main__":
    sys.exit(main())
