#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Those who talk, and who is asked, when connections wait for a program's verdict.

pend.py judge SOCKET LOG     answers questions by the last digit of the service's port, and writes each into LOG:
                             1 permits, 2 blocks, 3 permits after 0.2 s, 4 says nothing, 5 says what is no answer
pend.py http PORT...         answers any request, over IPv4 and IPv6
pend.py echo PORT...         sends datagrams back
pend.py burst ADDRESS PORT   sends five datagrams at once; prints the echoes in their order, and when the first came
"""
import http.server
import json
import socket
import sys
import threading
import time

SECONDS = 0.2


# --- Who is asked. ---


def answer(question):
    port = question["remote_port" if question["layer"].startswith("ale_auth_connect") else "local_port"]
    said = {1: "permit", 2: "block", 3: "permit", 4: None, 5: "maybe"}[port % 10]
    if said is None:
        return None
    if port % 10 == 3:
        time.sleep(SECONDS)
    return {"id": question["id"], "verdict": said}


def hear(connection, log):
    """Whoever thinks longer does not keep others waiting."""
    lock = threading.Lock()

    def say(line):
        said = answer(json.loads(line))
        with lock:
            if said is not None:
                connection.sendall(json.dumps(said).encode() + b"\n")

    with open(log, "a", encoding="ascii", buffering=1) as file:
        for line in connection.makefile("r", encoding="ascii"):
            file.write(line)
            threading.Thread(target=say, args=(line,), daemon=True).start()


def judge(path, log):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    while True:
        connection, _ = server.accept()
        threading.Thread(target=hear, args=(connection, log), daemon=True).start()


# --- Who talks. ---


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"page\n")

    def log_message(self, *_):
        pass


class Web(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


def serve_http(*ports):
    for port in ports:
        threading.Thread(target=Web(("::", int(port)), Page).serve_forever).start()


def echo(port):
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.bind(("::", int(port)))
    while True:
        data, client = server.recvfrom(65535)
        server.sendto(data, client)


def serve_echo(*ports):
    for port in ports:
        threading.Thread(target=echo, args=(port,)).start()


def burst(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.settimeout(3)
    client.connect((address, int(port)))
    begin = time.monotonic()
    for i in range(5):
        client.send(str(i).encode())
    first, got = None, []
    try:
        while len(got) < 5:
            got.append(client.recv(100).decode())
            first = first or time.monotonic() - begin
    except TimeoutError:
        pass
    print("".join(got), f"{first:.2f}" if first else "never")


if __name__ == "__main__":
    {"judge": judge, "http": serve_http, "echo": serve_echo, "burst": burst}[sys.argv[1]](*sys.argv[2:])
