# SPDX-License-Identifier: BSD-3-Clause
"""A daemon of the test's own: on devices that need nothing, in a folder that goes away with it."""
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    """Status, headers and body of one answer; `json` is None when the body is not JSON."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()
        self.json = None
        if self.body and "json" in (self.headers.get("Content-Type") or ""):
            self.json = json.loads(self.body)


class Daemon:
    """Starts sluiced from a build folder; use as a context manager."""

    def __init__(self, build, policy=None, config=None, plugins=True, api=None, patience=30):
        """`config` replaces members of the configuration, `api` adds to its section of that name."""
        self.build = pathlib.Path(build).resolve()
        self.folder = tempfile.TemporaryDirectory(prefix="sluice-api-")
        self.socket = (api or {}).get("socket", os.path.join(self.folder.name, "api.sock"))
        self.patience = patience  # seconds to become ready
        # Sanitizers keep what was freed for a while: bounds of memory are wider with them.
        self.slack = 3 if b"__asan_init" in (self.build / "app" / "sluiced").read_bytes() else 1
        self.log = os.path.join(self.folder.name, "log")
        self.config = {
            "links": [{"name": "wan", "inside": "vdev:net_null0,no-rx=1", "outside": "vdev:net_null1,no-rx=1"}],
            "workers": 1,
            "memory": {"hugepages": False, "megabytes": 128},
            "api": {"socket": self.socket, **(api or {})},
            "policy": [],
            "plugins": [str(self.build / "callouts")] if plugins else [],
        }
        if policy is not None:
            path = os.path.join(self.folder.name, "policy.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(policy, file)
            self.config["policy"] = [path]
        self.config.update(config or {})
        self.process = None

    def __enter__(self):
        path = os.path.join(self.folder.name, "sluice.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.config, file)
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([str(self.build / "sluiced"), "--config", path], stderr=log,
                                            stdout=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if self.call("GET", "/v1/ready").status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        text = self.log_text()
        self.__exit__(None, None, None)
        raise RuntimeError("sluiced did not become ready:\n" + text)

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.exit_status = self.process.returncode
        self.folder.cleanup()

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def call(self, method, path, body=None, headers=None, timeout=60):
        """One request on a connection of its own. A body that is not bytes is sent as JSON."""
        connection = UnixConnection(self.socket, timeout)
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        return 0
