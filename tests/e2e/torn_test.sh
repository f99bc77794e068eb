#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Torn policies, live: two policies with tags replace each other 1,000 times and more under load; no frame is
# judged by both, by none, by one that was over, or is lost. tests/race/test_torn.c draws the table.
. "$(dirname "$0")/_init.sh"

PROBE=$BUILD/tests/race/tornprobe
RATE=${TORN_PPS:-50000}

# policy FILE CLASSES-OF-FIRST-LAYER CLASSES-OF-SECOND-LAYER; 1 always, 2 X, 3 Y, 4 tag A, 5 tag B, 6 never.
policy() {
	"$PYTHON" - "$2" "$3" >"$1" <<-'END'
		import json, sys
		filters = []
		for layer, classes in zip(("outbound_transport_v4", "outbound_ippacket_v4"), sys.argv[1:]):
		    for c in classes:
		        filters.append({"key": f"{layer}-{c}", "name": "p", "layer": layer, "weight": {"range": 9},
		                        "conditions": [{"field": "ip_remote_address", "match": "equal", "value": f"10.99.0.{c}"}],
		                        "action": "permit"})
		    filters.append({"key": f"{layer}-rest", "name": "r", "layer": layer, "weight": {"range": 1},
		                    "conditions": [{"field": "ip_remote_address", "match": "equal", "value": "10.99.0.0/16"}],
		                    "action": "block"})
		print(json.dumps({"filters": filters}))
	END
}

topology
policy "$TMP/a.json" 124 134
policy "$TMP/b.json" 135 125
cp "$TMP/a.json" "$TMP/policy.json"
start_sluiced -

ip netns exec out "$PROBE" receive eth0 "$TMP/arrived" >"$TMP/receiver" &
receiver=$!
eventually 5 grep -q ready "$TMP/receiver"
ip netns exec in "$PROBE" send eth0 "$RATE" "$TMP/sent" >"$TMP/sender" &
sender=$!
sleep 0.3
SWAP_LOG=$TMP/commits SWAP_MAX=${TORN_COMMITS:-1200} SWAP_PAUSE=0.003 \
	"$PYTHON" "$E2E_DIR/swap.py" "$SOCKET" 60 "$TMP/a.json" "$TMP/b.json" >"$TMP/swap.json"
sleep 0.3
kill -TERM $sender
wait $sender
sleep 0.3
kill -TERM $receiver
wait $receiver

findings=$("$PROBE" judge "$TMP/sent" "$TMP/arrived" "$TMP/commits")
echo "$findings $(cat "$TMP/swap.json") $(cat "$TMP/sender") $(grep drops "$TMP/receiver")"
equal "refused" "$(json 'it["refused"]' <"$TMP/swap.json")" 0
at_least "commits" "$(json 'it["commits"]' <<<"$findings")" 1000
at_least "frames" "$(json 'it["frames"]' <<<"$findings")" $((RATE * 2))
for what in torn open stale late; do
	equal "$what" "$(json "it['$what']" <<<"$findings")" 0
done
# Frames that the kernel could not queue never reached the appliance, or had left it.
outside=$(kernel_losses)
dropped=$(grep drops "$TMP/receiver" | json 'it["receiver_drops"]')
if [ $((outside + dropped)) -eq 0 ]; then
	equal "lost" "$(json 'it["lost"]' <<<"$findings")" 0
fi
equal "dropped by devices" "$(api GET /v1/stats | json 'sum(n for r, n in it["drops"].items() if r != "filter")')" 0
adds_up outbound
stop_sluiced
