#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""HTTP as it should be and as it should not, against a running daemon: protocol.py BUILD

Framing, escapes, limits and the life of connections and of the socket; what is said in JSON is hostile.py's.
"""
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

from daemon import Daemon

FILTER = {"key": "only", "name": "The one", "layer": "inbound_transport_v4", "action": "block"}
POLICY = {"sets": [{"key": "hosts", "name": "Hosts", "type": "v4_prefix", "elements": ["192.0.2.0/24"]}],
          "filters": [FILTER]}
LIMIT = 64 << 20
failures = 0


def check(name, ok, detail=""):
    global failures
    print(("ok " if ok else "not ok ") + name + ("" if ok else f": {detail}"))
    failures += not ok


class Raw:
    """A client that sends what it is told and reads answers one by one."""

    def __init__(self, daemon, timeout=15):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(daemon.socket)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *parts):
        for part in parts:
            self.socket.sendall(part if isinstance(part, bytes) else part.encode("latin-1"))
        return self

    def more(self):
        try:
            data = self.socket.recv(65536)
        except OSError:  # reset, or nothing for too long
            data = b""
        self.buffer += data
        return bool(data)

    def head(self):
        """Status and headers of the next answer; (None, {}) when the connection ended first."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.more():
                return None, {}
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return int(lines[0].split()[1]), headers

    def answer(self, has_body=True):
        """Status, headers and body (as JSON when it is) of the next answer."""
        status, headers = self.head()
        if status is None or not has_body:
            return status, headers, None
        length = int(headers.get("content-length", "0"))
        while len(self.buffer) < length and self.more():
            pass
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        if "json" in headers.get("content-type", ""):
            try:
                body = json.loads(body)
            except ValueError:
                pass
        return status, headers, body

    def ended(self):
        """True when the server closes the connection."""
        while self.more():
            pass
        return True


def request(method, path, body=b"", headers=""):
    if body and "Transfer-Encoding" not in headers and "Content-Length" not in headers:
        headers += f"Content-Length: {len(body)}\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode("latin-1") + body


def ask(daemon, text):
    with Raw(daemon) as client:
        return client.send(text).answer()


def is_problem(answer, status, code):
    found, headers, body = answer
    return (found == status and headers.get("content-type") == "application/problem+json" and isinstance(body, dict) and
            body.get("code") == code and body.get("status") == status and "policy-revision" in headers)


# --- Methods and connections. ---


def heads(daemon):
    with Raw(daemon) as client:
        client.send(request("HEAD", "/v1/version"))
        status, headers, _ = client.answer(has_body=False)
        check("HEAD answers as GET without the body", status == 200 and int(headers["content-length"]) > 10 and
              client.buffer == b"", f"{status} {headers} {client.buffer!r}")
        status, _, body = client.send(request("GET", "/v1/version")).answer()
        check("the connection goes on after HEAD", status == 200 and body["name"] == "sluice", f"{status} {body}")
    with Raw(daemon) as client:
        status, headers, _ = client.send(request("HEAD", "/v1/explain")).answer(has_body=False)
        check("HEAD where GET is not taken", status == 405 and headers.get("allow") == "POST", f"{status} {headers}")
    check("a method nobody takes", is_problem(ask(daemon, request("BREW", "/v1/version")), 405, "method_not_allowed"))


def pipeline(daemon):
    n = 50
    with Raw(daemon) as client:
        client.send(b"".join(request("GET", f"/v1/filters/none-{i}") for i in range(n)))
        details = [client.answer()[2]["detail"] for _ in range(n)]
        check("50 requests at once are answered in order",
              all(f'"none-{i}"' in text for i, text in enumerate(details)), details[:3])
        client.send(request("PUT", "/v1/sets/hosts/elements", b'["10.0.0.0/8"]'), request("GET", "/v1/sets/hosts/elements"),
                    request("PUT", "/v1/sets/hosts/elements", b'["192.0.2.0/24"]'), request("GET", "/v1/version"))
        put, got, back, version = (client.answer() for _ in range(4))
        check("a read behind a change sees the change", put[0] == 204 and got[2]["elements"] == ["10.0.0.0/8"] and
              back[0] == 204 and version[0] == 200, f"{put} {got}")


def slow_change(daemon):
    """Readers do not wait for a change that takes its time."""
    filters = [{"key": f"f{i}", "name": "f", "layer": "inbound_transport_v4", "action": "block", "conditions": [
        {"field": "ip_remote_address", "match": "equal", "value": f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}"}]}
        for i in range(50000)]
    took = []

    def change():
        start = time.monotonic()
        answer = daemon.call("PUT", "/v1/policy?dry_run=1", {"filters": filters})
        took.append((time.monotonic() - start, answer.status))

    thread = threading.Thread(target=change)
    waits = []
    thread.start()
    while thread.is_alive():
        start = time.monotonic()
        daemon.call("GET", "/v1/health")
        waits.append(time.monotonic() - start)
    thread.join()
    check("health is answered while a large policy is read and compiled",
          took[0][1] == 200 and len(waits) > 10 and max(waits) < max(0.2, took[0][0] / 3),
          f"the change took {took[0][0]:.2f} s and answered {took[0][1]}, the slowest of {len(waits)} reads {max(waits):.2f} s")


# --- Paths and parameters. ---


def escapes(daemon):
    def status(path):
        answer = ask(daemon, request("GET", path))
        return answer[0], (answer[2] or {}).get("code") if isinstance(answer[2], dict) else None

    check("an escaped letter", status("/v1/filters/on%6cy")[0] == 200)
    for name, path in (("an escaped NUL ends no key", "/v1/filters/only%00x"), ("a bare escaped NUL", "/v1/version%00"),
                       ("an escaped slash is no separator", "/v1/filters%2Fonly"),
                       ("an escaped slash in a key", "/v1/filters/only%2Fstats"),
                       ("an escaped line end", "/v1/filters/only%0d%0aX:%20y"),
                       ("half an escape", "/v1/filters/only%4"), ("an escape of no digits", "/v1/filters/%zz"),
                       ("a NUL in a parameter", "/v1/filters?layer=a%00b")):
        found = status(path)
        check(name + " is refused", found == (400, "invalid_parameter"), found)
    for name, path in (("bytes that are no UTF-8 in a key", "/v1/filters/%ff%fe"),
                       ("a key of 300 bytes", "/v1/filters/" + "k" * 300),
                       ("a long resource", "/v1/" + "%c3%a9" * 400)):
        answer = ask(daemon, request("GET", path))
        check(name + ": not found, in words", answer[0] == 404 and isinstance(answer[2], dict) and
              len(answer[2]["detail"]) > 10, answer)
    for name, path in (("a parameter twice", "/v1/filters?limit=1&limit=2"), ("a parameter that is no UTF-8", "/v1/filters?%ff=1"),
                       ("a number that is none", "/v1/filters?limit=1%20"), ("a negative number", "/v1/filters?limit=-1"),
                       ("a huge number", "/v1/filters?limit=99999999999999999999"),
                       ("a layer that is none", "/v1/filters?layer=nowhere"), ("an action that is none", "/v1/filters?action=drop"),
                       ("a reason that is none", "/v1/events?reason=whim"), ("a flag that is none", "/v1/filters?stats=maybe"),
                       ("a long value cut inside a character", "/v1/filters?limit=" + "a" * 39 + "%c3%a9")):
        answer = ask(daemon, request("GET", path))
        check(name + " is refused", is_problem(answer, 400, "invalid_parameter"), answer)
    check("a key of null takes the path's", ask(daemon, request(
        "PUT", "/v1/filters/nulled?dry_run=1", json.dumps(dict(FILTER, key=None)).encode()))[2].get("diff", {}).get(
            "added") == ["filters/nulled"])


# --- Bodies. ---


def expect(daemon):
    head = f"Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {LIMIT + 1}\r\n"
    with Raw(daemon) as client:
        start = time.monotonic()
        answer = client.send(request("PUT", "/v1/policy", headers=head)).answer()
        check("Expect: 100-continue with a body beyond the limit is refused before it is sent",
              is_problem(answer, 413, "too_large") and time.monotonic() - start < 1, answer)
    with Raw(daemon) as client:
        answer = client.send(request("PUT", "/v1/nothing", headers=head.replace(str(LIMIT + 1), "5"))).answer()
        check("Expect: 100-continue at no resource", is_problem(answer, 404, "not_found"), answer)
    with Raw(daemon) as client:
        client.send(request("POST", "/v1/explain", headers="Expect: 100-continue\r\nContent-Length: 2\r\n"))
        status, _ = client.head()
        answer = client.send(b"{}").answer()
        check("Expect: 100-continue is obeyed", status == 100 and answer[0] == 400, f"{status} {answer}")


def lengths(daemon):
    for length in ("18446744073709551616", "9223372036854775807", "1000000000000"):
        with Raw(daemon) as client:
            start = time.monotonic()
            status, _, _ = client.send(request("PUT", "/v1/policy", headers=f"Content-Length: {length}\r\n")).answer()
            check(f"Content-Length {length} is refused at once", status in (400, 413) and time.monotonic() - start < 2, status)
    for length in ("-1", "0x10", "1 2", "ten"):
        with Raw(daemon) as client:
            status, _, _ = client.send(request("PUT", "/v1/policy", headers=f"Content-Length: {length}\r\n")).answer()
            check(f"Content-Length {length!r} is refused", status in (400, 413), status)
    body = b" " * (LIMIT + 1)
    with Raw(daemon) as client:
        try:
            answer = client.send(request("PUT", "/v1/policy", body)).answer()
        except OSError as fault:
            answer = (str(fault), {}, {})
        check("a client that sends 64 MiB and a byte gets its answer", is_problem(answer, 413, "too_large"), answer[0])
        try:
            status = client.send(request("GET", "/v1/version")).answer()[0]
        except OSError as fault:
            status = str(fault)
        check("and may ask again on the same connection", status == 200, status)


def chunks(daemon):
    head = request("PUT", "/v1/policy", headers="Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n")
    with Raw(daemon) as client:
        answer = client.send(head, b"2\r\n{}\r\n", b"0\r\n\r\n").answer()
        check("a body in chunks", answer[0] == 200, answer)
        client.send(request("PUT", "/v1/policy", json.dumps(POLICY).encode())).answer()
        piece = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
        client.send(head)
        for _ in range(65):
            client.send(piece)
        answer = client.send(b"0\r\n\r\n").answer()
        check("chunks beyond the limit", is_problem(answer, 413, "too_large"), answer)
        answer = client.send(request("GET", "/v1/version")).answer()
        check("the connection goes on after them", answer[0] == 200, answer)
    for bad in (b"zz\r\n", b"-5\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"5;" + b"a" * 100000):
        with Raw(daemon) as client:
            try:
                status, _, _ = client.send(head, bad).answer()
            except OSError:
                status = None
            check(f"a chunk head {bad[:20]!r}", status in (400, 413, 500, None), status)


def content(daemon):
    def put(body, headers, path="/v1/sets/hosts/elements"):
        return ask(daemon, request("PUT", path, body, headers))

    answer = put(b"\x1f\x8b\x08\x00", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", "/v1/policy")
    check("a compressed body is refused", is_problem(answer, 415, "unsupported_media_type"), answer)
    answer = put(b"192.0.2.0/24\x00junk\n", "Content-Type: text/plain\r\n")
    check("a NUL in a text body", is_problem(answer, 400, "invalid_parameter"), answer)
    answer = put(b"192.0.2.0/24\xff\n", "Content-Type: text/plain\r\n")
    check("a text body that is no UTF-8", is_problem(answer, 400, "invalid_parameter"), answer)
    answer = put(b"  192.0.2.0/24 \t\r\n\r\n# end", "Content-Type: text/plain\r\n")
    check("blanks around an element", answer[0] == 204, answer)
    before = daemon.resident_kib()
    answer = put(b"1\n" * (31 << 20), "Content-Type: text/plain\r\n")
    grown = (daemon.resident_kib() - before) >> 10
    check("32 million lines are refused within bounds", is_problem(answer, 413, "too_large") and grown < 400 * daemon.slack,
          f"{answer[0]} {answer[2]}, grew by {grown} MiB")
    answer = ask(daemon, request("GET", "/v1/sets/hosts/elements?limit=1&cursor=1", headers="Accept: text/plain\r\n"))
    check("text pages like JSON does", answer[0] == 200 and answer[2] == b"", answer)


# --- Many clients. ---


def hoarders(daemon):
    """Bodies that never end and answers that nobody reads, from many connections."""
    before = daemon.resident_kib()
    clients = []
    body = b" " * (48 << 20)
    head = request("PUT", "/v1/policy", headers=f"Content-Type: application/json\r\nContent-Length: {LIMIT}\r\n")
    for _ in range(24):
        client = Raw(daemon, timeout=5)
        clients.append(client)
        try:
            client.send(head, body)
        except OSError:
            pass
    grown = (daemon.resident_kib() - before) >> 10
    check("24 unfinished bodies of 48 MiB stay within bounds", grown < 800 * daemon.slack, f"grew by {grown} MiB")
    answer = daemon.call("PUT", "/v1/filters/only", FILTER)
    check("a small change goes through meanwhile", answer.status == 200, answer.status)
    for client in clients:
        client.socket.close()
    ok = False
    for _ in range(50):
        answer = daemon.call("PUT", "/v1/policy", json.dumps(POLICY).encode() + b" " * (1 << 20))
        ok = answer.status == 200
        if ok or answer.status != 503:
            break
        time.sleep(0.1)
    check("large bodies are taken again afterwards", ok, answer.body[:200])


def many_idle(daemon, limit):
    clients = []
    for _ in range(limit * 2):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.connect(daemon.socket)
        client.setblocking(False)
        client.send(b"GET /v1/ver")
        clients.append(client)
    waits = []
    for _ in range(20):
        start = time.monotonic()
        try:
            ok = daemon.call("GET", "/v1/version", timeout=5).status == 200
        except OSError:
            ok = False
        waits.append(time.monotonic() - start if ok else 99)
    check(f"{limit * 2} idle clients where {limit} are allowed: an honest one is served", max(waits) < 0.5,
          f"slowest answer {max(waits):.2f} s")
    for client in clients:
        client.close()


# --- Life of the daemon and its socket. ---


def stop_in_flight(build):
    """A change under way when the daemon is told to stop is finished and answered."""
    filters = [{"key": f"f{i}", "name": "f", "layer": "inbound_transport_v4", "action": "block"} for i in range(20000)]
    body = json.dumps({"filters": filters}).encode()
    with Daemon(build) as daemon:
        with Raw(daemon, timeout=30) as client, Raw(daemon) as idle, Raw(daemon) as waiting:
            idle.send(b"GET /v1/")
            client.send(request("PUT", "/v1/policy", body, "Content-Type: application/json\r\n"))
            waiting.send(request("PUT", "/v1/filters/late", json.dumps(FILTER).encode()))
            time.sleep(0.05)
            daemon.process.send_signal(signal.SIGTERM)
            answer = client.answer()
            late = waiting.answer()
            check("a change under way is answered before the daemon stops", answer[0] == 200, answer[0])
            check("one that waits is told so or done", late[0] in (400, 503), late)
            start = time.monotonic()
            daemon.process.wait(20)
            check("stop does not wait for idle clients", time.monotonic() - start < 5)
        check("the socket is gone", not os.path.exists(daemon.socket))
    check("clean exit with clients connected", daemon.exit_status == 0, daemon.exit_status)


def dead_socket(build):
    with tempfile.TemporaryDirectory(prefix="sluice-api-") as folder:
        path = os.path.join(folder, "dead.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
            dead.bind(path)
        with Daemon(build, api={"socket": path}) as daemon:
            check("a dead socket is replaced", daemon.call("GET", "/v1/health").status == 200)
            os.unlink(path)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
                other.bind(path)
                daemon.process.send_signal(signal.SIGTERM)
                daemon.process.wait(20)
                check("somebody else's socket is left alone at the end", os.path.exists(path))
                os.unlink(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as living:
            living.bind(path)
            refused_start(build, "a living socket of another kind is left alone", path, path)
            check("and is still there", stat.S_ISSOCK(os.stat(path).st_mode))
        os.unlink(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as full:
            full.bind(path)
            full.listen(0)
            fillers = []
            for _ in range(3):
                filler = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                filler.setblocking(False)
                try:
                    filler.connect(path)
                except BlockingIOError:
                    pass
                fillers.append(filler)
            refused_start(build, "a living socket whose queue is full is left alone", path, path)
            for filler in fillers:
                filler.close()


def refused_start(build, name, path, words):
    try:
        with Daemon(build, api={"socket": path}, patience=10):
            check(name, False, "it started")
    except RuntimeError as fault:
        check(name, words in str(fault), str(fault)[-300:])


def folders(build):
    with tempfile.TemporaryDirectory(prefix="sluice-api-") as folder:
        path = os.path.join(folder, "made", "api.sock")
        with Daemon(build, api={"socket": path, "group": "nogroup"}) as daemon:
            made, sock = os.stat(os.path.dirname(path)), os.stat(path)
            check("a folder that is missing is made for owner and group",
                  stat.S_IMODE(made.st_mode) == 0o750 and made.st_gid == sock.st_gid and made.st_gid != 0,
                  f"{oct(made.st_mode)} {made.st_gid} {sock.st_gid}")
            check("and serves", daemon.call("GET", "/v1/health").status == 200)
        with open(os.path.join(folder, "file"), "w", encoding="utf-8") as file:
            file.write("")
        refused_start(build, "a path below a file", os.path.join(folder, "file", "api.sock"), "Not a directory")
        refused_start(build, "a folder of a folder that is missing", os.path.join(folder, "a", "b", "api.sock"),
                      "cannot make the folder")
        refused_start(build, "a file that is no socket", os.path.join(folder, "file"), "is not a socket")
        run = subprocess.run(["chattr", "+i", folder], capture_output=True, check=False)
        if run.returncode == 0:
            refused_start(build, "a folder that cannot be written to", os.path.join(folder, "api.sock"), "cannot")
            subprocess.run(["chattr", "-i", folder], check=True)


def main():
    build = sys.argv[1]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    with Daemon(build, policy=None) as daemon:
        daemon.call("PUT", "/v1/policy", POLICY)
        heads(daemon)
        pipeline(daemon)
        escapes(daemon)
        expect(daemon)
        lengths(daemon)
        chunks(daemon)
        content(daemon)
        slow_change(daemon)
        hoarders(daemon)
        check("the policy is what it was", daemon.call("GET", "/v1/filters").json["total"] == 1)
        check("alive at the end", daemon.process.poll() is None)
    check("clean exit", daemon.exit_status == 0, f"status {daemon.exit_status}")
    with Daemon(build, api={"connections_max": 100}) as daemon:
        many_idle(daemon, 100)
    stop_in_flight(build)
    dead_socket(build)
    folders(build)
    print(f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
