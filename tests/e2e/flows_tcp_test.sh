#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# TCP state with real stacks: connections from inside cross and nothing from outside does, however nmap scans;
# resets, data and SYNs of a third party end no connection unless they know its numbers; an operator ends any, and both
# ends hear of it.
. "$(dirname "$0")/_init.sh"

# scan NAMESPACE ADDRESS FLAG: the ports 80 and 81, "80/tcp STATE" a line
scan() {
	ip netns exec "$1" nmap -n -Pn "$3" -p 80,81 --max-retries 0 --min-rate 100 --host-timeout 30s "$2" |
		awk '/^8[01]\/tcp/ { print $1, $2 }'
}

# drops REASON
drops() {
	api GET /v1/stats | json "it['drops'].get('$1', 0)"
}

topology
configure '"flows": {"midstream": "drop", "reject": true}'
start_sluiced <<'END'
{"filters": [
  {"key": "unasked4", "name": "Nothing from outside", "layer": "ale_auth_recv_accept_v4", "action": "block"},
  {"key": "unasked6", "name": "Nothing from outside", "layer": "ale_auth_recv_accept_v6", "action": "block",
   "conditions": [{"field": "ip_protocol", "match": "equal", "value": 6}]}]}
END

# The hosts leave checksums to their cards, which the appliance has to complete before it verifies any.
for host in in out; do
	contains "checksums of $host" "$(ip netns exec $host ethtool -k eth0 | grep '^tx-checksumming')" ": on"
done

# Connections of every size from inside, none from outside.
serve in tcp 80
serve out tcp 80
exchange in tcp 10.0.0.2 80 >/dev/null
exchange in tcp fd00::2 80 >/dev/null
equal "connection from outside" "$(exchange out tcp 10.0.0.1 80 || true)" "timed out"

head -c 50000000 /dev/urandom >"$TMP/large"
out_host "$PYTHON" -m http.server --directory "$TMP" --bind 10.0.0.2 8000 >/dev/null 2>&1 &
out_host iperf3 --server --daemon --pidfile "$TMP/iperf.pid" >/dev/null
eventually 5 out_host "$PYTHON" "$E2E_DIR/exchange.py" listening tcp 8000
eventually 5 out_host "$PYTHON" "$E2E_DIR/exchange.py" listening tcp 5201
in_host curl --silent --fail --max-time 20 -o "$TMP/copy" http://10.0.0.2:8000/large
cmp "$TMP/large" "$TMP/copy"
in_host iperf3 -c 10.0.0.2 --time 1 --bidir >/dev/null
for reason in tcp_no_connection tcp_bad_flags tcp_bad_state tcp_out_of_window tcp_bad_ack \
	tcp_rst_out_of_window tcp_bad_checksum; do
	equal "drops of $reason" "$(drops $reason)" 0
done

# From inside a scan finds what is there; from outside none does, and each gets its name.
equal "SYN scan from inside" "$(scan in 10.0.0.2 -sS)" $'80/tcp open\n81/tcp closed'
for kind in S A F X N M T; do
	scan out 10.0.0.1 -s$kind >"$TMP/scan.$kind" &
	scans="${scans:-} $!"
done
wait $scans
for kind in S A T; do
	equal "scan -s$kind" "$(cat "$TMP/scan.$kind")" $'80/tcp filtered\n81/tcp filtered'
done
for kind in F X N M; do
	equal "scan -s$kind" "$(cat "$TMP/scan.$kind")" $'80/tcp open|filtered\n81/tcp open|filtered'
done
at_least "FIN, Xmas and null scans dropped" "$(drops tcp_bad_flags)" 6
at_least "ACK and Maimon scans dropped" "$(drops tcp_no_connection)" 4
at_least "SYN and connect scans blocked" "$(hits unasked4)" 5

out_host sysctl -q -w net.ipv4.tcp_fastopen=3
"$PYTHON" "$E2E_DIR/tcp_games.py" "$SOCKET"
adds_up inbound
adds_up outbound
stop_sluiced
