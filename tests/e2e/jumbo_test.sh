#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Jumbo frames cross whole where the MTU allows them; a longer one than the other side takes is dropped by name.
. "$(dirname "$0")/_init.sh"

topology 9000
start_sluiced <<<'{}'
in_host ping -q -c 3 -i 0.1 -W 1 -M do -s 8972 10.0.0.2 >/dev/null
in_host ping -q -c 3 -i 0.1 -W 1 -s 20000 10.0.0.2 >/dev/null
out_host iperf3 --server --one-off --daemon >/dev/null
eventually 5 out_host "$PYTHON" "$E2E_DIR/exchange.py" listening tcp 5201
in_host iperf3 -c 10.0.0.2 --time 1 --set-mss 8900 >/dev/null
equal "dropped" "$(link_counter outbound dropped)" 0

# A narrower outside: the port follows its interface, and what does not fit is counted.
ip -n box link set outside mtu 1500
eventually 5 bash -c "curl -s --unix-socket '$SOCKET' http://x/v1/ports | grep -q '\"mtu\": *1500'"
refuses in_host ping -q -c 1 -W 1 -M do -s 8972 10.0.0.2
in_host ping -q -c 1 -W 1 -s 1400 10.0.0.2 >/dev/null
at_least "too long" "$(api GET /v1/stats | json 'it["drops"]["tx_too_long"]')" 1
stop_sluiced

# The configuration can set the MTU of both ports.
LINKS='[{"name": "wan", "inside": "af_packet:inside", "outside": "af_packet:outside", "mtu": 4000}]'
configure
start_sluiced -
contains "MTU" "$(ip -n box link show inside)$(ip -n box link show outside)" "mtu 4000"
in_host ping -q -c 1 -W 1 -M do -s 3900 10.0.0.2 >/dev/null
stop_sluiced
