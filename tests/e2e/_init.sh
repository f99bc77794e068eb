# SPDX-License-Identifier: BSD-3-Clause
# Sourced first by every end-to-end test.
#
#   inside host                      appliance                     outside host
#   netns "in"                       netns "box"                   netns "out"
#   10.0.0.1/24, fd00::1/64                                        10.0.0.2/24, fd00::2/64
#   eth0 ------------------ inside [ sluiced ] outside ------------------ eth0
#
# The test runs again in namespaces of its own for processes, mounts and networks: whatever it starts or
# makes is gone with it, however it ends.

set -eu -o pipefail

E2E_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT_DIR=$(cd "$E2E_DIR/../.." && pwd)
BUILD=${SLUICE_BUILD:-$ROOT_DIR/build}
PYTHON=/usr/bin/python3

if [ "${E2E_INNER:-}" != "$0" ]; then
	TMP=$(mktemp -d /tmp/sluice-e2e-XXXXXX)
	status=0
	E2E_INNER=$0 E2E_TMP=$TMP unshare --mount --net --pid --fork --kill-child --mount-proc \
		bash "$0" "$@" || status=$?
	if [ "$status" -ne 0 ] && [ -f "$TMP/sluiced.log" ]; then
		sed 's/^/    sluiced.log: /' "$TMP/sluiced.log" | tail -40
	fi
	rm -rf "$TMP"
	exit "$status"
fi

TMP=$E2E_TMP
SOCKET=$TMP/api.sock
SLUICED_PID=
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
ip link set lo up

trap 'echo "$0: line $LINENO: \"$BASH_COMMAND\" failed" >&2' ERR

fail() {
	echo "$0: $*" >&2
	exit 1
}

# equal WHAT GOT WANTED
equal() {
	[ "$2" = "$3" ] || fail "$1: got \"$2\", wanted \"$3\""
}

# at_least WHAT GOT MIN
at_least() {
	[ "$2" -ge "$3" ] || fail "$1: got $2, wanted at least $3"
}

# contains WHAT TEXT PART
contains() {
	case $2 in
	*"$3"*) ;;
	*) fail "$1: \"$3\" is not in: $2" ;;
	esac
}

# refuses COMMAND...: the command must fail.
refuses() {
	! "$@" >/dev/null 2>&1 || fail "succeeded, but must not: $*"
}

# eventually SECONDS COMMAND...: the command succeeds in time.
eventually() {
	local tries=$(($1 * 20))
	shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "still not so: $*"
		sleep 0.05
	done
}

in_host() {
	ip netns exec in "$@"
}

out_host() {
	ip netns exec out "$@"
}

box() {
	ip netns exec box "$@"
}

# A pair of hosts with the appliance between them. topology [MTU]
topology() {
	local mtu=${1:-1500} ns
	for ns in in box out; do
		ip netns add "$ns"
		ip -n "$ns" link set lo up
	done
	box sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	add_link inside in eth0 "$mtu"
	add_link outside out eth0 "$mtu"
	address in eth0 1
	address out eth0 2
}

# add_link BOX_INTERFACE NAMESPACE INTERFACE MTU
add_link() {
	ip -n box link add "$1" mtu "$4" type veth peer name "$3" netns "$2" mtu "$4"
	# A virtual NIC's segmentation makes frames longer than the MTU, which no wire carries.
	ip netns exec "$2" ethtool -K "$3" tso off gso off >/dev/null
	ip -n box link set "$1" up
	ip -n "$2" link set "$3" up
}

# address NAMESPACE INTERFACE NUMBER [NETWORK]: 10.NETWORK.0.NUMBER and its IPv6 twin.
address() {
	ip -n "$1" addr add "10.${4:-0}.0.$3/24" dev "$2"
	ip -n "$1" addr add "fd00:${4:-0}::$3/64" dev "$2" nodad
}

LINKS='[{"name": "wan", "inside": "af_packet:inside", "outside": "af_packet:outside"}]'

# Writes sluiced.json: configure [MEMBERS], such as '"workers": 2'. Policy is $TMP/policy.json.
configure() {
	[ -f "$TMP/policy.json" ] || echo '{}' >"$TMP/policy.json"
	cat >"$TMP/sluiced.json" <<-END
		{
		  "links": $LINKS,
		  "memory": {"megabytes": 128},
		  "api": {"socket": "$SOCKET"},
		  "policy": ["$TMP/policy.json"],
		  "plugins": ["$BUILD/callouts"]
		  ${1:+, $1}
		}
	END
}

# Starts the daemon and waits until its API answers. Standard input (no pipe: that would be another shell) is the
# policy; with "-" it stays as it is.
start_sluiced() {
	[ "${1:-}" = - ] || cat >"$TMP/policy.json"
	[ -f "$TMP/sluiced.json" ] || configure
	# Not through a function, which would be a process between us and the daemon.
	ip netns exec box "$BUILD/sluiced" --config "$TMP/sluiced.json" 2>>"$TMP/sluiced.log" &
	SLUICED_PID=$!
	local tries=200
	while ! api GET /v1/health >/dev/null 2>&1; do
		kill -0 "$SLUICED_PID" 2>/dev/null || fail "sluiced ended: $(tail -5 "$TMP/sluiced.log")"
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "sluiced does not answer"
		sleep 0.05
	done
}

# Stops it and checks that it ended cleanly.
stop_sluiced() {
	local status=0
	kill -TERM "$SLUICED_PID"
	wait "$SLUICED_PID" || status=$?
	equal "exit status of sluiced" "$status" 0
	[ ! -e "$SOCKET" ] || fail "the socket is still there"
}

# api METHOD PATH [BODY]: prints the answer; fails when the status is 400 or more.
api() {
	local method=$1 path=$2
	shift 2
	curl --silent --show-error --fail-with-body --max-time 10 --unix-socket "$SOCKET" -X "$method" \
		${1:+-H "Content-Type: application/json" --data-binary "$1"} "http://localhost$path"
}

# json EXPRESSION: evaluates it with `it` being the JSON on standard input.
json() {
	"$PYTHON" -c 'import json, sys; it = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}

# Packets that a filter has hit.
hits() {
	api GET "/v1/filters/$1/stats" | json 'it["packets"]'
}

# link_counter DIRECTION COUNTER [LINK]
link_counter() {
	api GET /v1/links | json "[l for l in it['items'] if l['key'] == '${3:-wan}'][0]['statistics']['$1']['$2']"
}

# One look at both numbers: what was received was passed or dropped. true_sum DIRECTION LINK
true_sum() {
	[ "$(api GET /v1/links | json "[c['rx_packets'] == c['tx_packets'] + c['dropped']
		for l in it['items'] if l['key'] == '$2' for c in [l['statistics']['$1']]]")" = "[True]" ]
}

# adds_up DIRECTION [LINK]: no packet is unaccounted for. A stray packet may be on its way for a moment.
adds_up() {
	eventually 3 true_sum "$1" "${2:-wan}"
}

# Packets that the kernel lost around the appliance so far, each counted by whoever lost it: rings of packet
# sockets without room (rx_missed), virtual wires without room, and the hosts' UDP sockets without room. A busy
# machine may lose some; the appliance's own drops are not among them.
kernel_losses() {
	local sum ns
	sum=$(api GET /v1/ports | json 'sum(p["statistics"]["rx_missed"] for p in it["items"])')
	for ns in in box out; do
		sum=$((sum + $(ip -n "$ns" -json -statistics link show type veth |
			json 'sum(l["stats64"]["tx"]["dropped"] for l in it)')))
		sum=$((sum + $(udp_counter "$ns" RcvbufErrors) + $(udp_counter "$ns" MemErrors)))
	done
	echo $sum
}

# udp_counter NAMESPACE NAME, as in /proc/net/snmp
udp_counter() {
	ip netns exec "$1" awk -v name="$2" '
		$1 == "Udp:" && !seen { for (i = 2; i <= NF; i++) if ($i == name) column = i; seen = 1; next }
		$1 == "Udp:" { print column ? $column : 0 }' /proc/net/snmp
}

# explained WHAT LOST BEFORE: whoever lost that many packets since kernel_losses said BEFORE, it was the kernel. Ports
# read its counters a few times a second.
explained() {
	local tries=20
	while [ "$2" -gt $(($(kernel_losses) - $3)) ]; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "$1: $2, of which the kernel explains $(($(kernel_losses) - $3))"
		sleep 0.05
	done
}

# Server for "exchange": serve NAMESPACE tcp|udp PORT [ADDRESS]. Answers each connection or datagram with "pong".
serve() {
	ip netns exec "$1" "$PYTHON" "$E2E_DIR/exchange.py" serve "$2" "${4:-::}" "$3" &
	eventually 5 ip netns exec "$1" "$PYTHON" "$E2E_DIR/exchange.py" listening "$2" "$3"
}

# exchange NAMESPACE tcp|udp ADDRESS PORT: succeeds when "pong" comes back within a second; prints why not.
exchange() {
	ip netns exec "$1" "$PYTHON" "$E2E_DIR/exchange.py" ask "$2" "$3" "$4"
}
