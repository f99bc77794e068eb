#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""One long TCP connection: a line a tenth of a second, and its echo.

talk.py echo ADDRESS PORT        answers every line
talk.py talk ADDRESS PORT FILE   appends a line to FILE for every echo, until the connection breaks
"""
import socket
import sys
import time


def echo(address, port):
    server = socket.create_server((address, port))
    while True:
        connection, _ = server.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)


def talk(address, port, name):
    connection = socket.create_connection((address, port), timeout=30)
    lines = connection.makefile("r")
    number = 0
    while True:
        number += 1
        connection.sendall(f"{number}\n".encode())
        if lines.readline() != f"{number}\n":
            return 1
        with open(name, "a", encoding="ascii") as file:
            file.write(f"{number}\n")
        time.sleep(0.1)


if __name__ == "__main__":
    arguments = [sys.argv[2], int(sys.argv[3]), *sys.argv[4:]]
    sys.exit(echo(*arguments) if sys.argv[1] == "echo" else talk(*arguments))
