# SPDX-License-Identifier: BSD-3-Clause
"""Random policy documents whose conditions stand close to the values of given packets."""
import ipaddress

import oracle

PORTS, BYTES = 0xFFFF, 0xFF
# How a field is tested: "address", "mac", "flags", or the greatest value of an integer.
IP = {"x_ttl": BYTES, "x_dscp": 63, "x_packet_length": 65535, "x_vlan_vid": 4095}
PACKET = {
    "ip_local_address": "address", "ip_remote_address": "address", "ip_local_address_type": BYTES,
    "flags": "flags", **IP,
}  # fmt: skip
FORWARD = {
    "ip_source_address": "address", "ip_destination_address": "address",
    "ip_destination_address_type": BYTES, "flags": "flags", **IP,
}  # fmt: skip
ICMP = {"icmp_type": PORTS, "icmp_code": PORTS}
TRANSPORT = {
    "ip_local_address": "address", "ip_remote_address": "address", "ip_local_port": PORTS,
    "ip_remote_port": PORTS, "ip_protocol": BYTES, "x_tcp_flags": "flags", **ICMP, **IP,
}  # fmt: skip
ERROR = {"ip_local_address": "address", "ip_remote_address": "address", **ICMP}
SWITCH = {
    "ip_source_address": "address", "ip_destination_address": "address", "ip_protocol": BYTES,
    "ip_source_port": PORTS, "ip_destination_port": PORTS, "vlan_id": PORTS, **ICMP, **IP,
    "x_tcp_flags": "flags",
}  # fmt: skip
TAGS = {"ether_type": PORTS, "vlan_id": PORTS, "x_vlan_vid": 4095}
FRAME = {
    "mac_local_address": "mac", "mac_remote_address": "mac", "mac_local_address_type": BYTES, **TAGS,
}  # fmt: skip
PORT = {
    "mac_source_address": "mac", "mac_destination_address": "mac", "mac_destination_address_type": BYTES,
    **TAGS,
}  # fmt: skip

MIDSTREAM, WAY = {"x_midstream": BYTES}, {"direction": 1}
ACCEPT = {**TRANSPORT, **MIDSTREAM, "ip_local_address_type": BYTES, "flags": "flags"}
DATA = {**ACCEPT, **WAY}
STREAM = {field: kind for field, kind in DATA.items()
          if field not in ("ip_protocol", "ip_local_address_type", *ICMP)}  # fmt: skip

FIELDS = {"ingress_vswitch_ethernet": PORT, "egress_vswitch_ethernet": PORT}
for _v in ("_v4", "_v6"):
    FIELDS["ale_auth_connect" + _v] = FIELDS["ale_auth_recv_accept" + _v] = ACCEPT
    FIELDS["ale_flow_established" + _v] = FIELDS["datagram_data" + _v] = DATA
    FIELDS["stream_packet" + _v] = STREAM
for _way in ("inbound", "outbound"):
    FIELDS[_way + "_mac_frame_ethernet"] = FRAME
    for _v in ("_v4", "_v6"):
        FIELDS[_way + "_ippacket" + _v] = PACKET
        FIELDS[_way + "_transport" + _v] = TRANSPORT
        FIELDS[_way + "_icmp_error" + _v] = ERROR
        FIELDS["ipforward" + _v] = FORWARD
for _way in ("ingress", "egress"):
    for _v in ("_v4", "_v6"):
        FIELDS[_way + "_vswitch_transport" + _v] = SWITCH

# Where the rules say which slot of the automatic weight each field has.
AUTOMATIC = ("ippacket", "ipforward", "bound_transport", "ale_auth")
SORTABLE = ("equal", "not_equal", "greater", "less", "greater_or_equal", "less_or_equal", "range")
SET_TYPES = {"mac": "mac", BYTES: "uint8", 63: "uint8", PORTS: "uint16", 4095: "uint16"}
TOP = (1 << 60) - 1


class Generator:
    def __init__(self, random, packets, inside):
        self.random = random
        self.seen = {}
        for packet in packets:
            outbound = oracle.is_outbound(packet, inside)
            # A datagram that fragments are of is seen, too.
            for whole in filter(None, (packet, packet.get("whole"))):
                for layer in (*oracle.layers_of(whole, outbound), *whole.get("flow_layers", ())):
                    rows = self.seen.setdefault(layer, [])
                    rows.append(oracle.values_at(layer, whole, outbound, whole.get("opened_outbound")))
        self.sets = {}

    def near(self, layer, field, greatest):
        """A value seen in this field, or one beside it."""
        name = oracle.field_of(layer, field)
        rows = [row for row in self.random.sample(self.seen[layer], min(8, len(self.seen[layer])))]
        value = next((row[name] for row in rows if name in row), self.random.randint(0, greatest))
        step = self.random.choice((0, 0, 0, 0, -1, 1, 7))
        return min(max(value + step, 0), greatest)

    def address(self, layer, field):
        row = self.random.choice(self.seen[layer])
        value = row.get(oracle.field_of(layer, field))
        if value is None:
            value = ipaddress.ip_address("::1" if layer.endswith("6") else "192.0.2.1")
        bits = value.max_prefixlen
        number = int(value) + self.random.choice((0, 0, 0, 0, 0, -1, 1))
        return type(value)(min(max(number, 0), (1 << bits) - 1))

    def prefix(self, layer, field):
        address = self.address(layer, field)
        bits = address.max_prefixlen
        length = self.random.choice((0, 1, bits // 4, bits // 2, bits - 8, bits - 1, bits, bits))
        return str(ipaddress.ip_network(f"{address}/{length}", strict=False))

    def mac(self, layer, field):
        macs = [row[field] for row in self.seen[layer] if field in row] or [bytes(6)]
        return self.random.choice(macs).hex(":")

    def new_set(self, kind, elements):
        key = f"set-{len(self.sets)}"
        self.sets[key] = {"key": key, "name": key, "type": kind, "elements": elements}
        return key

    def set_of(self, layer, field, kind):
        count = self.random.randint(0, 5)
        if kind == "address":
            elements = [self.prefix(layer, field) for _ in range(count)]
            return self.new_set("v6_prefix" if layer.endswith("6") else "v4_prefix", elements)
        if kind == "mac":
            return self.new_set("mac", [self.mac(layer, field) for _ in range(count)])
        elements = []
        for _ in range(count):
            low = self.near(layer, field, kind)
            high = min(kind, low + self.random.choice((0, 1, 20, 5000)))
            elements.append(low if low == high else f"{low}-{high}")
        return self.new_set(SET_TYPES[kind], elements)

    def condition(self, layer, field, kind):
        pick = self.random.random()
        in_sets = field not in ("x_packet_length", "direction") and kind != "flags"
        if pick < 0.06:
            match, value = self.random.choice(("equal", "not_equal")), None
        elif pick < 0.18 and in_sets:
            match = self.random.choice(("in_set", "in_set", "not_in_set"))
            value = self.set_of(layer, field, kind)
        elif kind == "flags":
            match = self.random.choice(("flags_all_set", "flags_any_set", "flags_none_set", "equal"))
            choices = (0x20, 0x420, 0) if field == "flags" else (2, 16, 18, 24, 4, 1)
            value = self.random.choice(choices)
            if field == "flags" and value == 0x20 and self.random.random() < 0.5:
                value = ["is_fragment"]
        elif kind == "mac":
            match, value = self.random.choice(("equal", "not_equal")), self.mac(layer, field)
        elif kind == "address" and self.random.random() < 0.6:
            match, value = self.random.choice(("equal", "equal", "not_equal")), self.prefix(layer, field)
        else:
            match = self.random.choice(SORTABLE)
            if kind == "address":
                low = self.address(layer, field)
                top = (1 << low.max_prefixlen) - 1
                high = type(low)(min(top, int(low) + self.random.choice((0, 1, 6, 255, 1 << 20))))
                low, high = str(low), str(high)
            else:
                low = self.near(layer, field, kind)
                high = min(kind, low + self.random.choice((0, 1, 15, 16, 300, 5000)))
            value = [low, high] if match == "range" else low
        return {"field": field, "match": match, "value": value}

    def conditions(self, layer):
        fields = FIELDS[layer]
        wanted = self.random.choice((0, 1, 1, 1, 2, 2, 3, 4))
        rows = []
        for field in self.random.sample(sorted(fields), min(wanted, len(fields))):
            for _ in range(self.random.choice((1, 1, 1, 2, 3))):
                rows.append(self.condition(layer, field, fields[field]))
        self.random.shuffle(rows)
        return rows

    def weight(self, exact):
        """A weight, or False to give none."""
        if exact:
            number = self.random.choice(
                (0, 1, 2, 3, 1 << 31, 1 << 60, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 5, 5)
            )
            return number if number < 1 << 63 and self.random.random() < 0.5 else str(number)
        top = self.random.randint(0, 3)
        return self.random.choice(
            (None, False, False, {"range": top}, {"range": top}, str(top << 60), str(top << 60 | TOP))
        )

    def action(self, layer, row):
        pick = self.random.random()
        if pick < 0.35:
            row["action"] = "block"
        elif pick < 0.75:
            row["action"] = "permit"
            if self.random.random() < 0.3:
                hard = {"override": "hard"} if self.random.random() < 0.5 else {"flags": ["clear_action_right"]}
                row.update(hard)
        elif pick < 0.85:
            row["action"] = {"type": "callout_inspection", "callout": "count-" + layer}
        else:
            kind = self.random.choice(("terminating", "unknown", "inspection"))
            row["action"] = {"type": "callout_" + kind, "callout": "absent-" + layer}
            if kind != "inspection" and self.random.random() < 0.5:
                row["flags"] = ["permit_if_callout_unregistered"]

    def document(self, most=20):
        """A policy for some of the layers that the packets visit."""
        self.sets = {}
        layers = [layer for layer in sorted(self.seen) if layer in FIELDS]
        layers = self.random.sample(layers, self.random.randint(1, min(6, len(layers))))
        sublayers = [
            {"key": f"sub-{i}", "name": f"sub-{i}", "weight": self.random.choice((1, 500, 500, 32768, 40000))}
            for i in range(self.random.randint(0, 4))
        ]
        names = [row["key"] for row in sublayers] + ["universal", None]
        callouts = [
            {"key": f"{kind}-{layer}", "name": kind, "layer": layer, "plugin": plugin}
            for layer in layers
            for kind, plugin in (("count", "count"), ("absent", "no-such-plugin"))
        ]
        filters = []
        for layer in layers:
            exact = self.random.random() < 0.4 or not any(part in layer for part in AUTOMATIC)
            for _ in range(self.random.randint(1, most)):
                key = f"f{len(filters)}"
                row = {"key": key, "name": key, "layer": layer, "conditions": self.conditions(layer)}
                sublayer, weight = self.random.choice(names), self.weight(exact)
                if sublayer is not None:
                    row["sublayer"] = sublayer
                if weight is not False:
                    row["weight"] = weight
                self.action(layer, row)
                filters.append(row)
        self.random.shuffle(filters)
        return {
            "sublayers": sublayers,
            "sets": list(self.sets.values()),
            "callouts": callouts,
            "filters": filters,
        }
