/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
test_forms(void **state)
{
	static const struct {
		const char *spec;
		enum device_kind kind;
		const char *name, *args, *interface;
	} rows[] = {
		{"pci:0000:3b:00.0", DEVICE_PCI, "0000:3b:00.0", "", ""},
		{"pci:0000:3B:00.1,representor=0", DEVICE_PCI, "0000:3b:00.1", "representor=0", ""},
		{"af_packet:veth-in", DEVICE_AF_PACKET, "veth-in", "", "veth-in"},
		{"af_xdp:eth1", DEVICE_AF_XDP, "net_af_xdp3", "iface=eth1", "eth1"},
		{"af_xdp:eth1,start_queue=2", DEVICE_AF_XDP, "net_af_xdp3",
			"iface=eth1,start_queue=2", "eth1"},
		{"tap:sluice0", DEVICE_TAP, "net_tap3", "iface=sluice0", "sluice0"},
		{"pcap:rx=/a,tx=/b", DEVICE_PCAP, "net_pcap3", "rx_pcap=/a,tx_pcap=/b", ""},
		{"pcap:rx=/a,infinite_rx=1", DEVICE_PCAP, "net_pcap3", "rx_pcap=/a,infinite_rx=1",
			""},
		{"pcap:rx_iface=e,tx_iface=f", DEVICE_PCAP, "net_pcap3", "rx_iface=e,tx_iface=f",
			""},
		{"memif:role=server,id=1", DEVICE_MEMIF, "net_memif3", "role=server,id=1", ""},
		{"null:", DEVICE_NULL, "net_null3", "", ""},
		{"null:size=128", DEVICE_NULL, "net_null3", "size=128", ""},
		{"vdev:net_ring0", DEVICE_VDEV, "net_ring0", "", ""},
		{"vdev:net_bonding0,mode=1,x=y", DEVICE_VDEV, "net_bonding0", "mode=1,x=y", ""},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		struct device device;
		struct sl_error err;

		assert_int_equal(device_parse(rows[i].spec, 3, &device, &err), 0);
		assert_int_equal(device.kind, rows[i].kind);
		assert_string_equal(device.spec, rows[i].spec);
		assert_string_equal(device.name, rows[i].name);
		assert_string_equal(device.args, rows[i].args);
		assert_string_equal(device.interface, rows[i].interface);
	}
}

static void
test_refusals(void **state)
{
	static const struct {
		const char *spec, *said;
	} rows[] = {
		{"", "unknown kind of device"},
		{"eth0", "af_packet:IFACE"},
		{"dpdk:0", "pci:0000:3b:00.0"},
		{"pci:3b:00.0", "not a PCI address"},
		{"pci:0000:3b:00.0x", "not a PCI address"},
		{"af_packet:", "not the name of an interface"},
		{"af_packet:sixteencharacter", "not the name of an interface"},
		{"af_packet:../eth0", "not the name of an interface"},
		{"af_packet:eth0,qpairs=2", "nothing may follow"},
		{"af_xdp:,x=1", "not the name of an interface"},
		{"pcap:", "not KEY=VALUE"},
		{"pcap:rx=", "not KEY=VALUE"},
		{"pcap:rx=/a,", "not KEY=VALUE"},
		{"pcap:file=/a", "rx, tx, rx_iface"},
		{"vdev:", "is missing or too long"},
		{"vdev:,a=b", "is missing or too long"},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		struct device device;
		struct sl_error err;

		assert_true(device_parse(rows[i].spec, 0, &device, &err) < 0);
		assert_int_equal(err.code, SL_ERR_CONFIGURATION);
		assert_non_null(strstr(err.text, rows[i].said));
	}
}

static void
test_length(void **state)
{
	char spec[400];
	struct device device;
	struct sl_error err;

	(void)state;
	memset(spec, 'x', sizeof(spec));
	memcpy(spec, "pcap:rx=", 8);
	spec[255] = '\0';
	assert_int_equal(device_parse(spec, 0, &device, &err), 0);
	spec[255] = 'x';
	spec[256] = '\0';
	assert_true(device_parse(spec, 0, &device, &err) < 0);
	assert_non_null(strstr(err.text, "at most 255"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
