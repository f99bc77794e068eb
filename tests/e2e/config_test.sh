#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What is wrong with a configuration or a policy is said in full, at the place, and the daemon does not start.
. "$(dirname "$0")/_init.sh"

OUTPUT=
# refused STATUS: runs the daemon on $TMP/sluiced.json; it must end with that status. Its words are in $OUTPUT.
refused() {
	local status=0
	OUTPUT=$(timeout 20 "$BUILD/sluiced" --config "$TMP/sluiced.json" 2>&1) || status=$?
	equal "exit status ($OUTPUT)" "$status" "$1"
}

says() {
	contains "said" "$OUTPUT" "$1"
}

echo '{"links": [{"name": "Bad Name", "inside": "eth0", "outside": "pcap:file=x", "speed": 1}, 7],
 "worker": 2, "workers": "many", "poll": "sometimes", "burst": 65, "memory": {"megabytes": "1G"},
 "flows": {"max": -1, "enforce": "sometimes", "reject": 1, "save": "relative", "half": 0,
 "timeouts": {"udp": 0.5, "tcp_syn": 1.25, "tls": 9}, "fragments": {"held": "many", "timeout": 301},
 "pend": {"max": 65537, "packets": 65, "kilobytes": 1025, "timeout": 0.9, "flows": 1}},
 "api": {"socket": "relative", "mode": "rw"}, "plugins": ["/nonexistent"], "eal": [1], "log_level": "loud"}' >"$TMP/sluiced.json"
refused 2
for place in /links/0/name /links/0/inside /links/0/outside /links/0/speed /links/1 /worker: /workers /poll /burst \
	/memory/megabytes /flows/max /flows/enforce /flows/reject /flows/save /flows/half /flows/timeouts/udp \
	/flows/timeouts/tcp_syn /flows/timeouts/tls /flows/fragments/held /flows/fragments/timeout /flows/pend/max /flows/pend/packets \
	/flows/pend/kilobytes /flows/pend/timeout /flows/pend/flows /api/socket /api/mode /plugins/0 /eal/0 /log_level; do
	says "$place"
done
says "allowed are: links workers poll"
says "af_packet:IFACE"

echo '{"links": [' >"$TMP/sluiced.json"
refused 2
says "sluiced.json:2:"
echo '{"links": [], "links": []}' >"$TMP/sluiced.json"
refused 2
says "duplicate"
rm "$TMP/sluiced.json"
refused 2
says "No such file"

LINKS='[{"name": "l", "inside": "af_packet:nosuchiface0", "outside": "null:"}]'
configure
refused 2
says "/links/0/inside"
says 'no interface named "nosuchiface0"'

LINKS='[{"name": "l", "inside": "null:", "outside": "null:"}]'
configure '"memory": {"megabytes": 1000000}'
sed -i '0,/"memory".*/{//d}' "$TMP/sluiced.json"
refused 1
says "are needed"
says "are free"

configure
echo '{"filters": [{"key": "a", "name": "a", "layer": "nolayer", "action": "block"},
 {"key": "b", "name": "b", "layer": "inbound_transport_v4", "action": "blok"}]}' >"$TMP/policy.json"
refused 2
says "/filters/0/layer"
says "/filters/1/action"
says "$TMP/policy.json"
# --check says the same without opening anything.
status=0
OUTPUT=$("$BUILD/sluiced" --config "$TMP/sluiced.json" --check 2>&1) || status=$?
equal "status of --check" "$status" 2
says "/filters/0/layer"

# Without CAP_NET_RAW the missing capability is named.
LINKS='[{"name": "l", "inside": "af_packet:lo", "outside": "null:"}]'
rm "$TMP/policy.json"
configure
status=0
OUTPUT=$(setpriv --bounding-set -net_raw --inh-caps -net_raw "$BUILD/sluiced" --config "$TMP/sluiced.json" 2>&1) || status=$?
equal "status without the capability ($OUTPUT)" "$status" 1
says "CAP_NET_RAW"

# An interface of a bridge would let packets past the policy; one with an address is warned of.
ip link add port0 type veth peer name far0
if ip link add br0 type bridge 2>/dev/null; then
	ip link set port0 master br0
	LINKS='[{"name": "l", "inside": "af_packet:port0", "outside": "null:no-rx=1"}]'
	configure
	refused 1
	says 'a part of "br0"'
	ip link set port0 nomaster
fi

# The service manager is told, and the log warns of the interface's address.
ip addr add 10.9.9.9/24 dev port0
ip link set port0 up
LINKS='[{"name": "l", "inside": "af_packet:port0", "outside": "null:no-rx=1"}]'
configure
"$PYTHON" -c '
import socket, sys
into = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
into.bind(sys.argv[1])
while True:
    print(into.recv(100).decode(), flush=True)' "$TMP/notify" >"$TMP/notified" &
notified=$!
eventually 5 test -S "$TMP/notify"
NOTIFY_SOCKET=$TMP/notify "$BUILD/sluiced" --config "$TMP/sluiced.json" 2>>"$TMP/sluiced.log" &
SLUICED_PID=$!
eventually 10 grep -q "^READY=1" "$TMP/notified"
api GET /v1/ready >/dev/null
grep -q "the interface has the address 10.9.9.9" "$TMP/sluiced.log" || fail "no warning of the address"
stop_sluiced
eventually 5 grep -q "^STOPPING=1" "$TMP/notified"
kill $notified

LINKS='[{"name": "l", "inside": "null:no-rx=1", "outside": "null:no-rx=1"}]'
for save in /nonexistent/flows "$TMP/sluiced.json/flows" "$TMP"; do
	configure '"flows": {"save": "'"$save"'"}'
	refused 2
	says "/flows/save"
done
configure '"flows": {"save": "'"$TMP"'/flows", "timeouts": {"udp": 30.5},
 "pend": {"max": 65536, "packets": 0, "kilobytes": 1024, "timeout": 300}}'
"$BUILD/sluiced" --config "$TMP/sluiced.json" --check >/dev/null
configure
"$BUILD/sluiced" --config "$TMP/sluiced.json" --check >/dev/null
"$BUILD/sluiced" --version | grep -q '^sluiced [0-9]'
"$BUILD/sluiced" --help | grep -q -- --config
refuses "$BUILD/sluiced" --no-such-option
refuses "$BUILD/sluiced" argument

# Two daemons on one socket: the second is refused, the first goes on.
"$BUILD/sluiced" --config "$TMP/sluiced.json" 2>>"$TMP/sluiced.log" &
SLUICED_PID=$!
eventually 10 api GET /v1/health
refused 1
api GET /v1/health >/dev/null
stop_sluiced
