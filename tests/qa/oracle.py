# SPDX-License-Identifier: BSD-3-Clause
"""An oracle of its own for verdicts: packets as facts, policies as documents, WFP's rules in between.

Written from the rules and from nothing of the programs under test, so that both can only agree by being
right.  A packet is a dictionary of facts that somebody else vouches for: an independent dissector, or the
generator that made the packet.  What is absent is not in the packet.

  n, time_us, ethernet (False without an Ethernet header), mac_source, mac_destination (bytes), tags (list
  of TCIs, outermost first), ether_type, arp_sender, version, source, destination (ipaddress objects),
  protocol, ttl, length, dscp, fragment, source_port, destination_port, icmp_type, icmp_code, tcp_flags, icmp_id

A fragment may also tell which datagram it is of (`piece`: datagram, offset, size, more) and the facts of that as a
whole (`whole`).  Fragments that do not are not judged where the policy asks for whole datagrams.
"""
import collections
import ipaddress

UNIVERSAL = ("universal", 0x8000)
IS_FRAGMENT, IS_REASSEMBLED = 0x20, 0x400
ICMP_ERRORS = {4: {3, 4, 5, 11, 12}, 6: {1, 2, 3, 4}}


def is_outbound(packet, inside):
    """The replay rule: from a source in `inside`; ARP by the sender's address."""
    source = packet.get("source", packet.get("arp_sender"))
    return source is not None and any(
        source.version == network.version and source in network for network in inside
    )


def layers_of(packet, outbound):
    """The layers a well-formed packet visits, in order."""
    ethernet = packet["ethernet"]
    version = packet.get("version")
    name = "outbound" if outbound else "inbound"
    mac = [name + "_mac_frame_ethernet"] if ethernet else []
    ingress = ["ingress_vswitch_ethernet"] if ethernet else []
    egress = ["egress_vswitch_ethernet"] if ethernet else []
    if version is None:
        return ingress + mac + egress
    v = f"_v{version}"
    error = []
    if packet.get("icmp_type") in ICMP_ERRORS[version] and packet.get("embedded"):
        error = [name + "_icmp_error" + v]
    middle = [name + "_ippacket" + v, "ipforward" + v, name + "_transport" + v] + error
    if outbound:
        way = middle[::-1] + mac
    else:
        way = mac + middle
    return ingress + ["ingress_vswitch_transport" + v] + way + egress + ["egress_vswitch_transport" + v]


def is_flow_layer(layer):
    return layer.startswith(("ale_", "datagram_data", "stream_packet"))


def is_whole_layer(layer):
    """Shown whole datagrams alone: transport and above."""
    return "bound_transport" in layer or "icmp_error" in layer or is_flow_layer(layer)


def split_layers(packet, outbound):
    """(layers of each fragment, layers of the datagram): both see the IP packet layer (WFP 1.6)."""
    single = [layer for layer in layers_of(packet, outbound) if not is_whole_layer(layer)]
    whole = layers_of(packet["whole"], outbound) if packet.get("whole") else []
    return single, [layer for layer in whole if is_whole_layer(layer) or "ippacket" in layer]


def address_type(address):
    """NL_ADDRESS_TYPE."""
    if int(address) == 0:
        return 0
    if address.is_multicast:
        return 3
    if address.version == 4 and int(address) == 0xFFFFFFFF:
        return 4
    return 1


def mac_type(mac):
    """DL_ADDRESS_TYPE."""
    if mac == b"\xff" * 6:
        return 2
    return mac[0] & 1


def values_at(layer, packet, outbound, opened_outbound=None):
    """Field values at a layer; a field that is missing is EMPTY.  `opened_outbound` is of the packet's flow."""
    values = {}
    has_flow = is_flow_layer(layer)

    def put(field, value):
        if value is not None:
            values[field] = value

    tags = packet["tags"]
    vid = tags[0] & 0xFFF if tags else None
    if "ethernet" in layer:
        source, destination = packet["mac_source"], packet["mac_destination"]
        ends = (source, destination) if outbound else (destination, source)
        if "vswitch" in layer:
            names, ends = ("mac_source_address", "mac_destination_address"), (source, destination)
        else:
            names = ("mac_local_address", "mac_remote_address")
        for field, mac in zip(names, ends):
            put(field, mac)
            put(field + "_type", mac_type(mac))
        put("ether_type", packet.get("ether_type"))
        put("vlan_id", tags[0] if tags else None)
        put("x_vlan_vid", vid)
        return values
    local, remote = packet["destination"], packet["source"]
    ports = [packet.get("source_port"), packet.get("destination_port")]
    if "icmp_type" in packet:
        # ICMP's type stands in the local (source) port, its code in the remote (destination) one.
        local_port, remote_port = packet["icmp_type"], packet["icmp_code"]
        ports = [local_port, remote_port]
    elif outbound:
        local_port, remote_port = ports
    else:
        remote_port, local_port = ports
    if outbound:
        local, remote = remote, local
    forward = layer.startswith("ipforward") or "vswitch" in layer
    if forward:
        put("ip_source_address", packet["source"])
        put("ip_destination_address", packet["destination"])
    else:
        put("ip_local_address", local)
        put("ip_remote_address", remote)
    if layer.startswith("ipforward"):
        put("ip_destination_address_type", address_type(packet["destination"]))
    if "ippacket" in layer or "inbound_transport" in layer or layer.startswith(("ale_", "datagram_data")):
        put("ip_local_address_type", address_type(local))
    if has_flow:
        put("flags", 0)
        put("x_midstream", 0)
        # At ale_flow_established that of the connection, at the others that of the packet.
        way = opened_outbound if "established" in layer else outbound
        put("direction", None if "auth" in layer else 0 if way else 1)
    if "ippacket" in layer or "ipforward" in layer:
        put("flags", IS_REASSEMBLED if packet.get("reassembled") else IS_FRAGMENT if packet.get("fragment") else 0)
    put("x_ttl", packet["ttl"])
    put("x_dscp", packet["dscp"])
    put("x_packet_length", packet["length"])
    put("x_vlan_vid", vid)
    if "transport" in layer or has_flow:
        put("ip_protocol", None if "stream" in layer else packet["protocol"])
        if forward:
            put("ip_source_port", ports[0])
            put("ip_destination_port", ports[1])
            put("vlan_id", tags[0] if tags else None)
        else:
            put("ip_local_port", local_port)
            put("ip_remote_port", remote_port)
        tcp_flags = packet.get("tcp_flags")
        put("x_tcp_flags", None if tcp_flags is None else tcp_flags & 0xFF)
    if "icmp_error" in layer:
        put("icmp_type", packet["icmp_type"])
        put("icmp_code", packet["icmp_code"])
    return values


def field_of(layer, field):
    """ICMP's names are other names of the ports where ports are."""
    if field in ("icmp_type", "icmp_code") and ("transport" in layer or is_flow_layer(layer)):
        ends = ("source", "destination") if "vswitch" in layer else ("local", "remote")
        return f"ip_{ends[field == 'icmp_code']}_port"
    return field


def parse(value):
    """A value of a document as something that compares: numbers, addresses, MACs as bytes."""
    if isinstance(value, str):
        if value.count(":") == 5 and all(len(part) == 2 for part in value.split(":")):
            return bytes.fromhex(value.replace(":", ""))
        if "/" in value:
            return ipaddress.ip_network(value, strict=False)
        return ipaddress.ip_address(value)
    return value


def within(value, element):
    """Is a field's value what an element (a value, a prefix, a range as a pair) says?"""
    if isinstance(element, tuple):
        return element[0] <= value <= element[1]
    if isinstance(element, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return value in element
    return value == element


FLAG_NAMES = {"is_fragment": IS_FRAGMENT, "is_reassembled": IS_REASSEMBLED}


class Condition:
    def __init__(self, layer, document, sets):
        self.field = field_of(layer, document["field"])
        self.match = document["match"]
        value = document["value"]
        self.empty = value is None
        if self.match in ("in_set", "not_in_set"):
            self.value = sets[value]
        elif self.match == "range":
            self.value = tuple(map(parse, value))
        elif isinstance(value, list):
            self.value = sum(FLAG_NAMES[name] for name in value)
        elif not self.empty:
            self.value = parse(value)

    def test(self, values):
        present = self.field in values
        if self.empty:
            return present != (self.match == "equal")
        if not present:
            return False
        value, wanted = values[self.field], self.value
        return {
            "equal": lambda: within(value, wanted),
            "not_equal": lambda: not within(value, wanted),
            "greater": lambda: value > wanted,
            "less": lambda: value < wanted,
            "greater_or_equal": lambda: value >= wanted,
            "less_or_equal": lambda: value <= wanted,
            "range": lambda: within(value, wanted),
            "flags_all_set": lambda: value & wanted == wanted,
            "flags_any_set": lambda: value & wanted != 0,
            "flags_none_set": lambda: value & wanted == 0,
            "in_set": lambda: any(within(value, element) for element in wanted),
            "not_in_set": lambda: not any(within(value, element) for element in wanted),
        }[self.match]()

    def is_address(self):
        return self.field.startswith("ip_") and self.field.endswith("_address")

    def specificity(self, version):
        """The code of a condition in its slot of the automatic weight."""
        if self.is_address():
            bits = 32 if version == 4 else 128
            if self.empty:
                return 1
            if self.match == "equal":
                return self.value.prefixlen if hasattr(self.value, "prefixlen") else bits
            if self.match == "range":
                size = int(self.value[1]) - int(self.value[0]) + 1
                return bits - (size - 1).bit_length()
            return 1
        if self.match == "range":
            low, high = self.value
            if isinstance(low, bytes):
                low, high = int.from_bytes(low, "big"), int.from_bytes(high, "big")
            size = high - low + 1
            return 4 if size <= 16 else 3 if size <= 256 else 2 if size <= 4096 else 1
        return {
            "equal": 7, "flags_all_set": 5, "flags_any_set": 3, "not_equal": 1, "not_in_set": 1,
        }.get(self.match, 2)  # fmt: skip


class Filter:
    def __init__(self, index, document, sets):
        self.document = document
        self.index = index
        self.key = document["key"]
        self.layer = document["layer"]
        self.sublayer = document.get("sublayer", UNIVERSAL[0])
        self.groups = {}
        for row in document.get("conditions", []):
            condition = Condition(self.layer, row, sets)
            self.groups.setdefault(condition.field, []).append(condition)

    def matches(self, values):
        return all(any(c.test(values) for c in group) for group in self.groups.values())

    def automatic(self):
        """The automatic weight as a tuple, the most important slot first."""
        version = 6 if self.layer.endswith("6") else 4
        codes = {
            field: min(c.specificity(version) for c in group) for field, group in self.groups.items()
        }
        slots = []
        for names in (
            ("ip_remote_address", "ip_source_address"),
            ("ip_local_address", "ip_destination_address"),
            ("ip_remote_port",),
            ("ip_local_port",),
            ("ip_protocol",),
            ("x_vlan_vid",),
            ("flags",),
        ):
            slots.append(sum(codes.pop(name, 0) for name in names))
        return (*slots, min(7, sum(codes.values())))

    def order(self):
        """Sorts heaviest first, then oldest.

        Exact weights beside automatic ones must be the least or the greatest of a range, so that it does
        not matter how wide slots are.
        """
        weight = self.document.get("weight")
        if weight is None or isinstance(weight, dict):
            rank = (0 if weight is None else weight["range"], self.automatic())
        else:
            top, low = divmod(int(weight), 1 << 60)
            rank = (top, (0,) * 8 if low == 0 else (float("inf"), low))
        negated = tuple(-part for part in rank[1]) + (0,) * (8 - len(rank[1]))
        return (-rank[0], negated, self.index)


class Decision:
    """The result of a sublayer, or the running one: what, may it be changed, who, did a callout speak."""

    def __init__(self, act, write, who, spoke=False, reason="filter"):
        self.act, self.write, self.who, self.spoke, self.reason = act, write, who, spoke, reason


def merge(running, new):
    if new is None:
        return running
    if running is None:
        return new
    if not running.write:
        if running.act == "permit" and new.act == "block" and new.spoke:
            return Decision("block", False, new.who, True, "veto")
        return running
    if running.act == new.act:
        return running if new.write else new
    return new


class Policy:
    """A document ready to judge. Callouts named in `live` return CONTINUE, all others are not registered."""

    def __init__(self, document, live=()):
        sets = {}
        for row in document.get("sets", []):
            elements = []
            for element in row["elements"]:
                if isinstance(element, str) and element.count("-") == 1:
                    elements.append(tuple(map(int, element.split("-"))))
                else:
                    elements.append(parse(element))
            sets[row["key"]] = elements
        weights = dict([UNIVERSAL])
        order = {UNIVERSAL[0]: -1}
        for i, row in enumerate(document.get("sublayers", [])):
            weights[row["key"]] = row.get("weight", 0)
            order[row["key"]] = i
        plugins = {row["key"]: row["plugin"] for row in document.get("callouts", [])}
        self.live = {key for key, plugin in plugins.items() if plugin in live}
        layers = {}
        for i, row in enumerate(document.get("filters", [])):
            f = Filter(i, row, sets)
            layers.setdefault(f.layer, {}).setdefault(f.sublayer, []).append(f)
        self.layers = {}
        for layer, sublayers in layers.items():
            names = sorted(sublayers, key=lambda name: (-weights[name], order[name]))
            self.layers[layer] = [sorted(sublayers[name], key=Filter.order) for name in names]

    def decide(self, f):
        """What a matching filter decides; None is CONTINUE."""
        action = f.document["action"]
        flags = f.document.get("flags", [])
        if action == "permit":
            hard = "clear_action_right" in flags or f.document.get("override") == "hard"
            return Decision("permit", not hard, f)
        if action == "block":
            return Decision("block", False, f)
        if action["type"] == "callout_inspection":
            return None
        if action["callout"] in self.live:
            # The only live callout counts and continues; a terminating one that does so blocks, softly.
            return Decision("block", True, f, True) if action["type"] == "callout_terminating" else None
        if "permit_if_callout_unregistered" in flags:
            return Decision("permit", True, f)
        return Decision("block", False, f, False, "callout_unregistered")

    def classify(self, layer, values):
        running = None
        for filters in self.layers.get(layer, ()):
            for f in filters:
                if f.matches(values):
                    decision = self.decide(f)
                    if decision is not None:
                        running = merge(running, decision)
                        break
        return running

    def needs_whole(self):
        """Does a filter see whole datagrams alone, or ask whether a packet was one?"""

        def asks(f):
            return "ippacket" in f.layer and any(
                condition.field == "flags"
                and (not condition.match.startswith("flags") or condition.value & IS_REASSEMBLED)
                for group in f.groups.values()
                for condition in group
            )

        return any(
            is_whole_layer(layer) or any(asks(f) for filters in sublayers for f in filters)
            for layer, sublayers in self.layers.items()
        )

    def needs_state(self):
        return any(is_flow_layer(layer) for layer in self.layers)

    def judge_at(self, layers, packet, outbound, opened_outbound=None):
        """(direction, verdict, layer, sublayer, filter, reason)."""
        direction = "outbound" if outbound else "inbound"
        for layer in layers:
            if layer in self.layers:
                result = self.classify(layer, values_at(layer, packet, outbound, opened_outbound))
                if result is not None and result.act == "block":
                    return direction, "block", layer, result.who.sublayer, result.who.key, result.reason
        return direction, "permit", None, None, None, None

    def judge(self, packet, inside):
        """The same of a packet that is judged alone."""
        outbound = is_outbound(packet, inside)
        return self.judge_at(layers_of(packet, outbound), packet, outbound)


class Wire:
    """Packets one after the other, fragments together with the others of their datagram.

    `verdicts` are by the packets' n, None where the oracle does not know; `events` what each drop tells, one
    of a datagram.
    """

    def __init__(self, policy, inside, reassembles=True):
        self.policy, self.inside = policy, inside
        self.reassembles = reassembles and policy.needs_whole()
        self.verdicts, self.events = {}, collections.Counter()
        self.datagrams = {}  # name: packets that came; None when it was ended

    def decide(self, packets, verdict, is_told=True):
        for packet in packets:
            self.verdicts[packet["n"]] = verdict
        if verdict[1] == "block" and is_told:
            self.events[verdict[0], verdict[2], verdict[4], verdict[5]] += 1

    def see(self, packet):
        if not (packet.get("fragment") and self.reassembles):
            self.decide([packet], self.policy.judge(packet, self.inside))
        elif "piece" not in packet:
            self.verdicts[packet["n"]] = None
        else:
            self.see_fragment(packet)

    def see_fragment(self, packet):
        outbound = is_outbound(packet, self.inside)
        single, whole = split_layers(packet, outbound)
        verdict = self.policy.judge_at(single, packet, outbound)
        if verdict[1] == "block":
            self.decide([packet], verdict)
            return
        name = packet["piece"]["datagram"]
        held = self.datagrams.setdefault(name, [])
        fault = self.fault(held, packet["piece"])
        direction = verdict[0]
        if fault == "frag_overlap":
            self.decide(held + [packet], (direction, "block", None, None, None, fault))
            self.datagrams[name] = None
        elif fault:
            self.decide([packet], (direction, "block", None, None, None, fault), fault != "frag_ended")
        else:
            held.append(packet)
            if self.is_complete(held):
                self.decide(held, self.policy.judge_at(whole, {**packet["whole"], "reassembled": True}, outbound))
                del self.datagrams[name]

    def fault(self, held, new):
        """Why a fragment is not held (RFC 5722; one that came before is dropped alone)."""
        if held is None:
            return "frag_ended"
        for packet in held:
            old = packet["piece"]
            if (old["offset"], old["size"], old["more"]) == (new["offset"], new["size"], new["more"]):
                return "frag_duplicate"
        for packet in held:
            old = packet["piece"]
            if new["offset"] < old["offset"] + old["size"] and old["offset"] < new["offset"] + new["size"]:
                return "frag_overlap"
        return None

    def is_complete(self, held):
        at = 0
        for piece in sorted((packet["piece"] for packet in held), key=lambda piece: piece["offset"]):
            if piece["offset"] != at:
                return False
            at += piece["size"]
            if not piece["more"]:
                return True
        return False

    def end(self):
        """Nothing comes any more: what is held runs out of time."""
        for held in self.datagrams.values():
            if held:
                direction = "outbound" if is_outbound(held[0], self.inside) else "inbound"
                self.decide(held, (direction, "block", None, None, None, "frag_timeout"))
        self.datagrams = {}
        return self


class Flow:
    def __init__(self, outbound):
        self.outbound = outbound  # the first packet's direction
        self.last = None
        self.answered = False  # TCP: the other side has sent its SYN-ACK
        self.established = False


class Flows:
    """Flows and their authorisation (WFP 7.1 to 7.4) under one policy; packets tell their `time` in seconds.

    TCP must come as a host sends it, each connection by ports of its own, and end with the first of its packets
    that is blocked: states and windows are not followed here.
    """

    IDLE_S = 60

    def __init__(self, policy, inside):
        self.policy, self.inside = policy, inside
        self.flows = {}
        self.opened, self.established = collections.Counter(), 0

    def ends(self, packet, outbound):
        """(host inside, host outside)."""
        ends = packet["source"], packet["destination"]
        return ends if outbound else ends[::-1]

    def key(self, packet, outbound):
        if packet["protocol"] in (1, 58):
            # Who asks is part of it: a request of the other side is not an answer.
            ports = (packet["icmp_id"], outbound == (packet["icmp_type"] in (8, 128)))
        else:
            ports = packet.get("source_port"), packet.get("destination_port")
            ports = ports if outbound else ports[::-1]
        return (*self.ends(packet, outbound), packet["protocol"], *ports)

    def find(self, key, time):
        flow = self.flows.get(key)
        if flow is not None and time - flow.last >= self.IDLE_S:
            del self.flows[key]
            return None
        return flow

    def see(self, packet):
        """(direction, verdict, layer, sublayer, filter, reason)."""
        outbound = is_outbound(packet, self.inside)
        way = "outbound" if outbound else "inbound"
        v = f"_v{packet['version']}"
        layers = layers_of(packet, outbound)
        error = f"{way}_icmp_error{v}"
        # What comes before the flow is looked for, and behind it.
        cut = 2 if outbound else layers.index("inbound_transport" + v) + 1
        if not packet["ethernet"]:
            cut -= outbound
        before, behind = layers[:cut], [layer for layer in layers[cut:] if layer != error]
        verdict = self.policy.judge_at(before, packet, outbound)
        if verdict[1] == "block":
            return verdict
        if "about" in packet:
            if self.find(packet["about"], packet["time"]) is None and self.policy.needs_state():
                return way, "block", None, None, None, "icmp_error_unrelated"
            return self.policy.judge_at([error] + behind, packet, outbound)
        flow, verdict = self.meet(packet, outbound, v)
        if verdict is not None:
            return verdict
        data = ("stream_packet" if packet["protocol"] == 6 else "datagram_data") + v
        return self.policy.judge_at([data] + behind, packet, outbound, flow.outbound)

    def meet(self, packet, outbound, v):
        """(flow, None), or (None, verdict)."""
        key = self.key(packet, outbound)
        flow = self.find(key, packet["time"])
        is_new = flow is None
        if is_new:
            layer = ("ale_auth_connect" if outbound else "ale_auth_recv_accept") + v
            verdict = self.policy.judge_at([layer], packet, outbound, outbound)
            if verdict[1] == "block":
                return None, verdict
            flow = self.flows[key] = Flow(outbound)
            self.opened["outbound" if outbound else "inbound"] += 1
        flow.last = packet["time"]
        if packet["protocol"] == 6:
            is_moment = flow.answered and outbound == flow.outbound
            flow.answered |= outbound != flow.outbound
        else:
            is_moment = is_new
        if is_moment and not flow.established:
            flow.established = True
            verdict = self.policy.judge_at(["ale_flow_established" + v], packet, outbound, flow.outbound)
            if verdict[1] == "block":
                del self.flows[key]
                return None, verdict
            self.established += 1
        return flow, None
