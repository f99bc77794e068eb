#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""TCP state on the capture's clock: time-outs, and the tricks that are played on those who watch TCP."""
from base import *

# One line a segment, as tests/flow/tcp_script.h has it, with the second at which it comes:
#
#     SECOND DIRECTION FLAGS SEQ ACK PAYLOAD RESULT
#
# RESULT is "-" when it passes, else the reason of its drop. Everything is opened from inside; windows are 1000.
OPEN = """
    0 > S  100 -   0 -
    0 < SA 300 101 0 -
    0 > A  101 301 0 -
"""
CLOSED = OPEN + """
    1 > FA 101 301 0 -
    1 < FA 301 102 0 -
    1 > A  102 302 0 -
"""

GAMES = {
    # --- Time-outs. ---
    "an answer in time": """
         0 > S  100 -   0 -
        29 < SA 300 101 0 -
        58 > A  101 301 0 -
    """,
    "an answer too late": """
         0 > S  100 -   0 -
        31 < SA 300 101 0 tcp_no_connection
        31 > S  100 -   0 -
        31 < SA 300 101 0 -
    """,
    "a long silence": OPEN + """
        3599 < A 301 101 10 -
        7198 > A 101 311 10 -
       10799 < A 311 111 10 tcp_no_connection
    """,
    "half closed, and used": OPEN + """
          1 > FA 101 301 0   -
          1 < A  301 102 0   -
          2 < A  301 102 500 -
          2 > A  102 801 0   -
       1000 < A  801 102 500 -
       1000 < FA 1301 102 0  -
       1000 > A  102 1302 0  -
    """,
    "half closed, and forgotten": OPEN + """
          1 > FA 101 301 0   -
          1 < A  301 102 0   -
         32 < A  301 102 500 tcp_no_connection
    """,
    "closed": CLOSED + """
         20 < FA 301 102 0 -
         20 > A  102 302 0 -
         51 < FA 301 102 0 tcp_no_connection
    """,
    "reset": OPEN + """
          1 < R 301 -   0  -
          5 > A 101 301 10 -
         11 > A 111 301 10 tcp_no_connection
    """,
    "reset and opened again": OPEN + """
          1 < R  301 -    0 -
          2 > S  7000 -   0 -
          2 < SA 9000 7001 0 -
       3000 > A  7001 9001 0 tcp_no_connection
    """,
    "ports used again": CLOSED + """
          2 > S  103 -    0 -
          2 < SA 9000 104 0 -
          2 > A  104 9001 0 -
       3000 < A  9001 104 9 -
    """,
    # --- Tricks. ---
    "a reset for another to believe": OPEN + """
          1 > R  5000 -  0   tcp_rst_out_of_window
          1 < R  9000 -  0   tcp_rst_out_of_window
          1 < RA 0   101 0   tcp_rst_out_of_window
          1 < R  400 -   0   -
       3000 > A  101 301 100 -
    """,
    "a FIN for another to believe": OPEN + """
          1 > FA 9000 301 0  tcp_out_of_window
          1 > FA 101 9000 0  tcp_bad_ack
          1 > F  101 301 0   tcp_bad_flags
       3000 > A  101 301 100 -
    """,
    "a SYN with other numbers before the data": OPEN + """
          1 > S  50000 - 0   -
          1 > A  50001 301 9 tcp_out_of_window
          1 > A  101 301 9   -
    """,
    "a SYN-ACK from the opener": """
          0 > S  100 -   0 -
          0 > SA 100 301 0 tcp_bad_state
          0 < SA 300 101 0 -
          0 > SA 100 301 0 tcp_bad_state
          0 > A  101 301 0 -
    """,
    "a split handshake": """
          0 > S  100 -   0 -
          0 < S  300 -   0 -
          0 > SA 100 301 0 -
          0 < A  301 101 9 -
       3000 > A  101 310 9 -
    """,
    "data before the handshake": """
          0 > S  100 -   0  -
          0 > PA 101 301 9  tcp_bad_state
          0 < PA 301 101 9  tcp_bad_state
          0 < SA 300 101 0  -
          0 > PA 101 9999 9 tcp_bad_ack
          0 > PA 101 301 9  -
    """,
    "data without ACK": OPEN + """
          1 > 0  101 - 9 tcp_bad_flags
          1 > P  101 - 9 tcp_bad_flags
          1 > U  101 - 9 tcp_bad_flags
    """,
    "data that nobody expects": OPEN + """
          1 > PA 1102 301 100 tcp_out_of_window
          1 > PA 101 301 1003 tcp_out_of_window
          1 > PA 2147483749 301 100 tcp_out_of_window
          1 > PA 101 1301 100 tcp_bad_ack
          1 > PA 101 301 100  -
    """,
    "data behind the FIN": OPEN + """
          1 > FA 101 301 0 -
          1 > PA 102 301 9 tcp_bad_state
          1 > PA 101 301 9 tcp_bad_state
    """,
    "a keep-alive and a probe": OPEN + """
          1 > A 100 301 1 -
          1 < A 300 101 0 -
          1 < A 301 101 1000 -
          1 < A 1301 101 1 -
    """,
    "scans": """
          0 < A  100 300 0 tcp_no_connection
          1 < FA 100 300 0 tcp_no_connection
          2 < R  100 -   0 tcp_no_connection
          3 < 0  100 -   0 tcp_bad_flags
          4 < FPU 100 -  0 tcp_bad_flags
          5 < SF 100 -   0 tcp_bad_flags
          6 < S  100 -   0 filter
    """,
}


def flags_of(text):
    return sum(1 << "FSRPAU".index(letter) for letter in text if letter != "0")


def packet_of(line, port):
    """The record of a line and its result."""
    second, way, flags, seq, ack, payload, result = line.split()
    outbound = way == ">"
    tcp = TCP(
        sport=port if outbound else 80, dport=80 if outbound else port, flags=flags_of(flags), seq=int(seq),
        ack=0 if ack == "-" else int(ack), window=1000,
    )  # fmt: skip
    packet = (to_outside if outbound else to_inside)(tcp / bytes(int(payload)))
    return int(second), packet, None if result == "-" else result


class TcpTest(ReplayTest):
    def play(self, flows):
        """All games at once, each on a port of its own: [(game, line, what came of it, what should have)]."""
        (self.folder / "flows.json").write_text(json.dumps(flows))
        moves = []
        for i, (name, text) in enumerate(GAMES.items()):
            for line in filter(None, map(str.strip, text.splitlines())):
                second, packet, wanted = packet_of(line, 20000 + i)
                moves.append((second, name, line, packet, wanted))
        moves.sort(key=lambda move: move[0])
        packets = [Record(packet, time_ns=START + second * 10**9 + i * 1000)
                   for i, (second, _, _, packet, _) in enumerate(moves)]
        answer = self.replay({"filters": [filter_of("unasked", "ale_auth_recv_accept_v4")]}, packets, "--flows",
                             self.folder / "flows.json", "--engine", "check")
        return [(move[1], move[2], verdict["reason"], move[4])
                for move, verdict in zip(moves, answer.verdicts, strict=True)]

    def test_strict(self):
        for name, line, got, wanted in self.play({"midstream": "drop"}):
            with self.subTest(name, line=line):
                self.assertEqual(got, wanted)

    def test_loose_drops_nothing_for_its_numbers(self):
        allowed = {None, "filter", "tcp_no_connection", "tcp_bad_flags"}
        for name, line, got, wanted in self.play({"midstream": "drop", "tcp": "loose"}):
            with self.subTest(name, line=line):
                self.assertIn(got, allowed)
                if got is not None and name != "scans":
                    self.assertEqual((got, wanted), ("tcp_no_connection",) * 2)

    def test_not_enforced(self):
        for name, line, got, _ in self.play({"midstream": "drop", "enforce": "never"}):
            with self.subTest(name, line=line):
                self.assertIn(got, (None, "filter"))

    def judge_corrupt(self, *args, cut=None):
        """A connection, resets of both ends with a wrong checksum, and data that goes on."""
        lines = [line for line in OPEN.splitlines() if line.strip()]
        lines += ["1 > RA 101 301 20 -", "1 < R 301 - 20 -", "9 > PA 101 301 9 -"]
        packets = []
        for line in lines:
            second, packet, _ = packet_of(line, 20000)
            if packet[TCP].flags.R:
                packet[TCP].chksum = 0x1234
            data = bytes(packet)
            packets.append(Record(data[:cut] if packet[TCP].flags.R else data, len(data),
                                  START + second * 10**9))
        answer = self.replay({"filters": [filter_of("unasked", "ale_auth_recv_accept_v4")]}, packets, *args)
        return [verdict["reason"] for verdict in answer.verdicts[3:]]

    def test_wrong_checksums(self):
        (self.folder / "flows.json").write_text('{"midstream": "drop", "tcp_checksum": "all"}')
        flows = "--flows", self.folder / "flows.json"
        dropped = ["tcp_bad_checksum"] * 2 + [None]
        passed = [None, None, "tcp_no_connection"]
        self.assertEqual(self.judge_corrupt("--tcp-checksum", "control"), dropped)
        self.assertEqual(self.judge_corrupt(*flows), dropped)
        # A capture may hold what a network card has yet to complete, or less than the whole segment.
        self.assertEqual(self.judge_corrupt(*flows, "--tcp-checksum", "ignore"), passed)
        self.assertEqual(self.judge_corrupt()[:2], passed[:2])
        self.assertEqual(self.judge_corrupt(*flows, cut=60), passed)


if __name__ == "__main__":
    unittest.main()
