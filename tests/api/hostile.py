#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a hostile or clumsy client may try, and what must come of it: hostile.py BUILD

Every attack is followed by the same questions: does the daemon live, is the policy what it was, does an honest
client get its answer quickly, and did memory stay within bounds.
"""
import os
import socket
import stat
import subprocess
import sys
import threading
import time

from daemon import Daemon

POLICY = {"filters": [{"key": "only", "name": "The one", "layer": "inbound_transport_v4", "action": "block"}]}
failures = 0


def check(name, ok, detail=""):
    global failures
    print(("ok " if ok else "not ok ") + name + ("" if ok else f": {detail}"))
    failures += not ok


def honest(daemon):
    """Seconds an honest client waits for its answer, and that the policy is what it was."""
    start = time.monotonic()
    answer = daemon.call("GET", "/v1/filters", timeout=20)
    return time.monotonic() - start, answer.status == 200 and answer.json["total"] == 1


def refused(daemon, name, body, statuses, codes, path="/v1/policy"):
    before = daemon.resident_kib()
    try:
        answer = daemon.call("PUT", path, body, {"Content-Type": "application/json"})
        status, code = answer.status, (answer.json or {}).get("code")
    except (BrokenPipeError, ConnectionResetError):
        status, code = "cut", "cut"
    seconds, same = honest(daemon)
    grown = (daemon.resident_kib() - before) // 1024
    check(name, status in statuses and code in codes, f"answered {status} {code}")
    check(name + ": policy and daemon unharmed", same and seconds < 1, f"{seconds:.2f} s, same policy: {same}")
    check(name + ": memory bounded", grown < 640 * daemon.slack, f"grew by {grown} MiB")


def bodies(daemon):
    refused(daemon, "body over the limit", b" " * ((64 << 20) + 1), {413, "cut"}, {"too_large", "cut"})
    refused(daemon, "depth 10,000", b"[" * 10000 + b"]" * 10000, {400}, {"too_deep"})
    refused(daemon, "depth 1,000,000", b'{"a":' * 1000000, {400}, {"too_deep", "invalid_json"})
    refused(daemon, "30 MB of {}", b"[" + b"{}," * 10000000 + b"{}]", {413}, {"too_large"})
    refused(daemon, "10 MB string", b'{"filters":[{"key":"x","name":"' + b"a" * (10 << 20) +
            b'","layer":"inbound_transport_v4","action":"block"}]}', {422, 413, 400},
            {"out_of_bounds", "too_large", "invalid_parameter"})
    refused(daemon, "a number beyond 64 bits", b'{"filters":[{"weight":99999999999999999999}]}', {422}, {"out_of_bounds"})
    refused(daemon, "1e400", b'{"filters":[{"weight":1e400}]}', {422}, {"out_of_bounds"})
    refused(daemon, "NUL in a string", b'{"filters":[{"name":"a\\u0000b"}]}', {400}, {"invalid_json"})
    refused(daemon, "a lone surrogate", b'{"filters":[{"name":"\\ud800"}]}', {400}, {"invalid_json"})
    refused(daemon, "not UTF-8", b'{"filters":[{"name":"\xff\xfe"}]}', {400}, {"invalid_json"})
    refused(daemon, "trailing bytes", b"{} {}", {400}, {"invalid_json"})
    refused(daemon, "a real where an integer is meant", b'{"sublayers":[{"key":"a","name":"a","weight":1.0}]}', {422},
            {"type_mismatch"})
    filters = b",".join(b'{"key":"f%d","layer":"nowhere","action":"blok","colour":1}' % i for i in range(100000))
    refused(daemon, "400,000 faults in one document", b'{"filters":[' + filters + b"]}", {400, 422},
            {"reserved", "layer_not_found", "null_display_name", "invalid_action_type"})


def send_slowly(path, stop, data, cut):
    """Sends a byte a second until it is cut off or told to stop."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(path)
            for byte in data:
                client.sendall(bytes([byte]))
                if stop.wait(1):
                    return
    except OSError:
        cut.append(1)


def slow_clients(daemon):
    stop = threading.Event()
    cut = []
    head = b"GET /v1/version HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 100
    threads = [threading.Thread(target=send_slowly, args=(daemon.socket, stop, head, cut)) for _ in range(1000)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    waits = []
    for _ in range(10):
        seconds, same = honest(daemon)
        waits.append(seconds)
    check("1,000 clients at a byte a second: an honest one is served", max(waits) < 0.5 and same,
          f"slowest answer {max(waits):.3f} s")
    deadline = time.monotonic() + 15
    while len(cut) < 1000 and time.monotonic() < deadline:
        time.sleep(0.1)
    check("slow clients are cut off", len(cut) == 1000, f"{len(cut)} of 1,000 were")
    stop.set()
    for thread in threads:
        thread.join()


def half_requests(daemon):
    clients = []
    for text in (b"", b"GET", b"POST /v1/policy HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{",
                 b"PUT /v1/policy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
                 b"\x00\x01\x02\x03" * 1000, b"GET / HTTP/9.9\r\n\r\n", b"G" * 100000):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.connect(daemon.socket)
        try:
            client.sendall(text)
        except OSError:
            pass
        clients.append(client)
    seconds, same = honest(daemon)
    check("half and broken requests", same and seconds < 1)
    for client in clients:
        client.close()


def concurrent_writers(daemon):
    wrong = []

    def write(number):
        for i in range(50):
            key = f"w{number}-{i}"
            answer = daemon.call("PUT", f"/v1/filters/{key}", {"name": key, "layer": "inbound_transport_v4",
                                                              "action": "permit"})
            if answer.status != 201 or daemon.call("DELETE", f"/v1/filters/{key}").status != 204:
                wrong.append(key)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, same = honest(daemon)
    check("8 concurrent writers", not wrong and same, f"failed: {wrong[:5]}")


def lost_update(daemon):
    revision = daemon.call("GET", "/v1/engine").json["revision"]
    first = daemon.call("PUT", "/v1/policy", POLICY, {"If-Match": f'"{revision}"'})
    second = daemon.call("PUT", "/v1/policy", {}, {"If-Match": f'"{revision}"'})
    changed = first.headers["Policy-Revision"] != revision
    check("a lost update is refused", first.status == 200 and (second.status == 412 or not changed),
          f"{first.status} {second.status}")
    daemon.call("PUT", "/v1/policy", POLICY)


def socket_rights(daemon):
    mode = stat.S_IMODE(os.stat(daemon.socket).st_mode)
    check("the socket is for owner and group", mode == 0o660, oct(mode))
    code = f"import socket; socket.socket(socket.AF_UNIX).connect({daemon.socket!r})"
    run = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", code],
                         capture_output=True, text=True, check=False)
    check("another user cannot connect", "PermissionError" in run.stderr, run.stderr[-200:])


def second_daemon(daemon, build):
    try:
        with Daemon(build, config={"api": {"socket": daemon.socket}}):
            check("a second daemon on the socket is refused", False, "it started")
    except RuntimeError as fault:
        check("a second daemon on the socket is refused", daemon.socket in str(fault), str(fault)[-300:])
    _, same = honest(daemon)
    check("the first daemon serves on", same)


def main():
    build = sys.argv[1]
    with Daemon(build) as daemon:
        daemon.call("PUT", "/v1/policy", POLICY)
        bodies(daemon)
        half_requests(daemon)
        concurrent_writers(daemon)
        lost_update(daemon)
        socket_rights(daemon)
        second_daemon(daemon, build)
        slow_clients(daemon)
        check("alive at the end", daemon.process.poll() is None)
    check("clean exit", daemon.exit_status == 0, f"status {daemon.exit_status}")
    print(f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
