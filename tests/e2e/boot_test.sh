#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Nothing that the policy forbids crosses at any time around start, kill and stop, and nothing at all
# crosses without the daemon.
. "$(dirname "$0")/_init.sh"

topology
cat >"$TMP/policy.json" <<'END'
{"filters": [
  {"key": "never", "name": "Never", "layer": "outbound_transport_v4",
   "conditions": [{"field": "ip_remote_port", "match": "equal", "value": 9999}], "action": "block"}]}
END
ip netns exec out "$PYTHON" "$E2E_DIR/trickle.py" receive "$TMP/received" 9999 7777 &
receiver=$!
eventually 5 out_host "$PYTHON" "$E2E_DIR/exchange.py" listening udp 9999
# No address resolution is needed: it would not cross.
in_host ip neigh replace 10.0.0.2 lladdr "$(out_host cat /sys/class/net/eth0/address)" dev eth0
ip netns exec in "$PYTHON" "$E2E_DIR/trickle.py" send 10.0.0.2 9999 7777 >/dev/null &
sender=$!

sleep 0.3
[ ! -s "$TMP/received" ] || fail "crossed without a daemon: $(tail -1 "$TMP/received")"
for round in 1 2 3; do
	start_sluiced -
	eventually 5 grep -q "^7777" "$TMP/received"
	if [ $round -eq 2 ]; then
		kill -KILL "$SLUICED_PID"
		wait "$SLUICED_PID" 2>/dev/null || true
	else
		stop_sluiced
	fi
	sleep 0.1
	: >"$TMP/received"
	sleep 0.3
	[ ! -s "$TMP/received" ] || fail "crossed after the end of the daemon: $(tail -1 "$TMP/received")"
done
kill $sender
kill -TERM $receiver
wait $receiver || fail "a forbidden packet crossed"
