#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The policy is replaced over and over under load: no connection breaks, no packet is lost.
. "$(dirname "$0")/_init.sh"

# A policy of many filters that all leave the load alone; its tag makes each one new.
policy() {
	"$PYTHON" - "$1" <<-'END'
		import json, sys
		tag = int(sys.argv[1])
		print(json.dumps({"filters": [
		    {"key": f"f{i}", "name": f"filter {i}, tag {tag}", "layer": "inbound_transport_v4",
		     "conditions": [{"field": "ip_remote_address", "match": "equal", "value": f"172.16.{i % 200}.{tag % 250}"},
		                    {"field": "ip_local_port", "match": "range", "value": [i, i + 10]}],
		     "action": "block"} for i in range(100)]}))
	END
}

topology
start_sluiced <<<'{}'
policy 1 >"$TMP/1.json"
policy 2 >"$TMP/2.json"
out_host iperf3 --server --one-off --daemon >/dev/null
eventually 5 out_host "$PYTHON" "$E2E_DIR/exchange.py" listening tcp 5201
in_host iperf3 -c 10.0.0.2 --time 6 --parallel 4 --bidir --json >"$TMP/iperf.json" &
load=$!
sleep 0.5
"$PYTHON" "$E2E_DIR/swap.py" "$SOCKET" 5 "$TMP/1.json" "$TMP/2.json" >"$TMP/swap.json"
wait $load || fail "iperf3: $(json 'it.get("error")' <"$TMP/iperf.json")"

swaps=$(json 'it["swaps"]' <"$TMP/swap.json")
at_least "swaps" "$swaps" 100
equal "refused swaps" "$(json 'it["refused"]' <"$TMP/swap.json")" 0
at_least "bytes" "$(json 'it["end"]["sum_received"]["bytes"]' <"$TMP/iperf.json")" 10000000
equal "connections at the end" "$(json 'len(it["end"]["streams"])' <"$TMP/iperf.json")" 8
for direction in inbound outbound; do
	equal "dropped $direction" "$(link_counter $direction dropped)" 0
	adds_up $direction
done
at_least "revision" "$(api GET /v1/version >/dev/null && api GET /v1/engine | json 'int(it["revision"])')" "$swaps"
stop_sluiced
