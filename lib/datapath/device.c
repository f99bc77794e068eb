/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/device.h"
#include "datapath/interface.h"
#include "datapath/privilege.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PCAP_KEYS_TEXT "rx, tx, rx_iface, rx_iface_in, tx_iface, iface, infinite_rx, phy_mac"

typedef int
parse_fn(const char *rest, unsigned int index, struct device *device, struct sl_error *err);
typedef int probe_fn(const struct device *device, struct sl_error *err);

static parse_fn parse_pci, parse_af_packet, parse_af_xdp, parse_tap, parse_pcap, parse_memif,
	parse_null, parse_vdev;
static probe_fn probe_pci, probe_interface, probe_tap, probe_pcap, probe_nothing;

/* What each kind is called, looks like and needs. Capability bits are those of capabilities(7). */
static const struct kind {
	const char *prefix;
	const char *form;
	parse_fn *parse;
	probe_fn *probe;
	uint64_t capabilities;
	bool has_mtu;
} kinds[DEVICE_KIND_COUNT] = {
	[DEVICE_PCI] = {"pci:", "pci:0000:3b:00.0", parse_pci, probe_pci, 0, true},
	[DEVICE_AF_PACKET] = {"af_packet:", "af_packet:IFACE", parse_af_packet, probe_interface,
		1u << CAP_NET_RAW, true},
	[DEVICE_AF_XDP] = {"af_xdp:", "af_xdp:IFACE", parse_af_xdp, probe_interface,
		1u << CAP_NET_RAW | 1u << CAP_NET_ADMIN | 1u << CAP_SYS_ADMIN | 1u << CAP_IPC_LOCK,
		true},
	[DEVICE_TAP] = {"tap:", "tap:IFACE", parse_tap, probe_tap, 1u << CAP_NET_ADMIN, true},
	[DEVICE_PCAP] = {"pcap:", "pcap:rx=FILE,tx=FILE", parse_pcap, probe_pcap, 0, false},
	[DEVICE_MEMIF] = {"memif:", "memif:KEY=VALUE,...", parse_memif, probe_nothing, 0, true},
	[DEVICE_NULL] = {"null:", "null:", parse_null, probe_nothing, 0, false},
	[DEVICE_VDEV] = {"vdev:", "vdev:NAME,KEY=VALUE,...", parse_vdev, probe_nothing, 0, true},
};

static int
refuse(struct sl_error *err, const char *spec, const char *what, const char *allowed)
{
	return sl_error_set(
		err, SL_ERR_CONFIGURATION, NULL, "\"%s\": %s; expected %s", spec, what, allowed);
}

static int
refuse_kind(struct sl_error *err, const char *spec)
{
	char allowed[256] = "";
	size_t len = 0;

	for (unsigned int i = 0; i < DEVICE_KIND_COUNT; i++)
		len += (size_t)snprintf(allowed + len, sizeof(allowed) - len, "%s%s",
			i == 0 ? "" : ", ", kinds[i].form);
	return refuse(err, spec, "unknown kind of device", allowed);
}

int
device_parse(const char *spec, unsigned int index, struct device *device, struct sl_error *err)
{
	*device = (struct device){0};
	if (strlen(spec) >= sizeof(device->spec))
		return sl_error_set(err, SL_ERR_CONFIGURATION, NULL,
			"device \"%.40s...\" has %zu characters; at most %zu are allowed", spec,
			strlen(spec), sizeof(device->spec) - 1);
	for (unsigned int i = 0; i < DEVICE_KIND_COUNT; i++) {
		size_t len = strlen(kinds[i].prefix);

		if (strncmp(spec, kinds[i].prefix, len) != 0)
			continue;
		device->kind = (enum device_kind)i;
		device->has_mtu = kinds[i].has_mtu;
		memcpy(device->spec, spec, strlen(spec) + 1);
		return kinds[i].parse(spec + len, index, device, err);
	}
	return refuse_kind(err, spec);
}

int
device_probe(const struct device *device, struct sl_error *err)
{
	const struct kind *kind = &kinds[device->kind];
	char missing[128];

	if (!privilege_has(kind->capabilities, missing, sizeof(missing)))
		return sl_error_set(err, SL_ERR_PERMISSION, NULL,
			"\"%s\" needs %s; run as root or grant it", device->spec, missing);
	return kind->probe(device, err);
}

/* --- Taking apart. --- */

static int
parse_pci(const char *rest, unsigned int index, struct device *device, struct sl_error *err)
{
	unsigned int domain, bus, slot, function;
	int end = 0;

	(void)index;
	if (sscanf(rest, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 ||
		(rest[end] != '\0' && rest[end] != ','))
		return refuse(err, device->spec, "not a PCI address", kinds[DEVICE_PCI].form);
	snprintf(device->name, sizeof(device->name), "%04x:%02x:%02x.%x", domain, bus, slot,
		function);
	snprintf(device->args, sizeof(device->args), "%s", rest[end] == ',' ? rest + end + 1 : "");
	return 0;
}

/* Copies the interface's name, which ends at a comma or the end, and moves `*rest` behind it. */
static int
take_interface(const char **rest, struct device *device, struct sl_error *err)
{
	size_t len = strcspn(*rest, ",");

	if (len == 0 || len >= IF_NAMESIZE || memchr(*rest, '/', len) != NULL)
		return refuse(err, device->spec,
			"not the name of an interface (1 to 15 characters)",
			kinds[device->kind].form);
	memcpy(device->interface, *rest, len);
	*rest += len;
	return 0;
}

static int
parse_af_packet(const char *rest, unsigned int index, struct device *device, struct sl_error *err)
{
	int rc = take_interface(&rest, device, err);

	(void)index;
	if (rc == 0 && *rest != '\0')
		rc = refuse(
			err, device->spec, "nothing may follow the interface", "af_packet:IFACE");
	snprintf(device->name, sizeof(device->name), "%s", device->interface);
	return rc;
}

/* A DPDK driver on a kernel interface: "IFACE[,KEY=VALUE...]". */
static int
parse_on_interface(const char *driver, const char *rest, unsigned int index, struct device *device,
	struct sl_error *err)
{
	int rc = take_interface(&rest, device, err);

	snprintf(device->name, sizeof(device->name), "%s%u", driver, index);
	snprintf(device->args, sizeof(device->args), "iface=%s%s", device->interface, rest);
	return rc;
}

static int
parse_af_xdp(const char *rest, unsigned int index, struct device *device, struct sl_error *err)
{
	return parse_on_interface("net_af_xdp", rest, index, device, err);
}

static int
parse_tap(const char *rest, unsigned int index, struct device *device, struct sl_error *err)
{
	return parse_on_interface("net_tap", rest, index, device, err);
}

/* The driver's name of a pcap key; NULL: there is no such key. */
static const char *
pcap_key(const char *key, size_t len)
{
	static const char *const names[][2] = {
		{"rx", "rx_pcap"},
		{"tx", "tx_pcap"},
		{"rx_iface", "rx_iface"},
		{"rx_iface_in", "rx_iface_in"},
		{"tx_iface", "tx_iface"},
		{"iface", "iface"},
		{"infinite_rx", "infinite_rx"},
		{"phy_mac", "phy_mac"},
	};

	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++) {
		if (strlen(names[i][0]) == len && memcmp(names[i][0], key, len) == 0)
			return names[i][1];
	}
	return NULL;
}

static int
parse_pcap(const char *rest, unsigned int index, struct device *device, struct sl_error *err)
{
	size_t used = 0;

	snprintf(device->name, sizeof(device->name), "net_pcap%u", index);
	do {
		size_t len = strcspn(rest, ","), key_len = strcspn(rest, "=,");
		const char *key = key_len < len ? pcap_key(rest, key_len) : NULL;

		if (key == NULL || key_len + 1 == len)
			return refuse(err, device->spec, "not KEY=VALUE with a known key",
				"keys " PCAP_KEYS_TEXT);
		used += (size_t)snprintf(device->args + used, sizeof(device->args) - used,
			"%s%s=%.*s", used == 0 ? "" : ",", key, (int)(len - key_len - 1),
			rest + key_len + 1);
		rest += len;
	} while (*rest++ == ',');
	return 0;
}

static int
parse_memif(const char *rest, unsigned int index, struct device *device, struct sl_error *err)
{
	(void)err;
	snprintf(device->name, sizeof(device->name), "net_memif%u", index);
	snprintf(device->args, sizeof(device->args), "%s", rest);
	return 0;
}

static int
parse_null(const char *rest, unsigned int index, struct device *device, struct sl_error *err)
{
	(void)err;
	snprintf(device->name, sizeof(device->name), "net_null%u", index);
	snprintf(device->args, sizeof(device->args), "%s", rest);
	return 0;
}

static int
parse_vdev(const char *rest, unsigned int index, struct device *device, struct sl_error *err)
{
	size_t len = strcspn(rest, ",");

	(void)index;
	if (len == 0 || len >= sizeof(device->name))
		return refuse(err, device->spec, "the name of the device is missing or too long",
			kinds[DEVICE_VDEV].form);
	memcpy(device->name, rest, len);
	snprintf(device->args, sizeof(device->args), "%s", rest[len] == ',' ? rest + len + 1 : "");
	return 0;
}

/* --- What the machine has. --- */

static int
probe_nothing(const struct device *device, struct sl_error *err)
{
	(void)device;
	(void)err;
	return 0;
}

static int
probe_interface(const struct device *device, struct sl_error *err)
{
	struct ifreq request = {0};
	char master[IF_NAMESIZE];
	int fd, rc;

	if (if_nametoindex(device->interface) == 0)
		return sl_error_set(err, SL_ERR_PORT_NOT_FOUND, NULL,
			"\"%s\": this machine has no interface named \"%s\"", device->spec,
			device->interface);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return sl_error_set(
			err, SL_ERR_IO, NULL, "\"%s\": socket: %s", device->spec, strerror(errno));
	memcpy(request.ifr_name, device->interface, IF_NAMESIZE);
	rc = ioctl(fd, SIOCGIFHWADDR, &request);
	close(fd);
	if (rc == 0 && request.ifr_hwaddr.sa_family != ARPHRD_ETHER &&
		request.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK)
		return sl_error_set(err, SL_ERR_PORT_FAILED, NULL,
			"\"%s\": interface \"%s\" is not Ethernet (hardware type %u)", device->spec,
			device->interface, request.ifr_hwaddr.sa_family);
	/* Nothing may cross by another way. */
	if (interface_master(device->interface, master))
		return sl_error_set(err, SL_ERR_PORT_FAILED, NULL,
			"\"%s\": interface \"%s\" is a part of \"%s\", which would carry packets "
			"past the "
			"policy; take it out",
			device->spec, device->interface, master);
	return 0;
}

static int
probe_tap(const struct device *device, struct sl_error *err)
{
	if (access("/dev/net/tun", R_OK | W_OK) == 0)
		return 0;
	return sl_error_set(err, errno == ENOENT ? SL_ERR_PORT_NOT_FOUND : SL_ERR_PERMISSION, NULL,
		"\"%s\" needs /dev/net/tun: %s", device->spec, strerror(errno));
}

/* Value of `key` in the arguments, copied to `value`; false when it is not there. */
static bool
find_arg(const char *args, const char *key, char *value, size_t size)
{
	size_t key_len = strlen(key);

	for (const char *at = args; *at != '\0';
		at += strcspn(at, ",") + (at[strcspn(at, ",")] == ',')) {
		if (strncmp(at, key, key_len) == 0 && at[key_len] == '=') {
			snprintf(value, size, "%.*s", (int)strcspn(at + key_len + 1, ","),
				at + key_len + 1);
			return true;
		}
	}
	return false;
}

static int
probe_pcap(const struct device *device, struct sl_error *err)
{
	char value[sizeof(device->args)];
	char *slash;

	if (find_arg(device->args, "rx_pcap", value, sizeof(value)) && access(value, R_OK) != 0)
		return sl_error_set(err,
			errno == ENOENT ? SL_ERR_PORT_NOT_FOUND : SL_ERR_PERMISSION, NULL,
			"\"%s\": cannot read \"%s\": %s", device->spec, value, strerror(errno));
	if (!find_arg(device->args, "tx_pcap", value, sizeof(value)))
		return 0;
	slash = strrchr(value, '/');
	if (slash == NULL)
		snprintf(value, sizeof(value), ".");
	else
		slash[slash == value] = '\0';
	if (access(value, W_OK) == 0)
		return 0;
	return sl_error_set(err, errno == ENOENT ? SL_ERR_PORT_NOT_FOUND : SL_ERR_PERMISSION, NULL,
		"\"%s\": cannot write into folder \"%s\": %s", device->spec, value,
		strerror(errno));
}

/* Drivers through which DPDK can reach a NIC; the mlx ones share it with the kernel. */
static bool
is_dpdk_driver(const char *driver)
{
	static const char *const drivers[] = {
		"vfio-pci", "igb_uio", "uio_pci_generic", "mlx4_core", "mlx5_core", "mana"};

	for (size_t i = 0; i < SL_ARRAY_LEN(drivers); i++) {
		if (strcmp(driver, drivers[i]) == 0)
			return true;
	}
	return false;
}

static int
probe_pci(const struct device *device, struct sl_error *err)
{
	char path[128], target[PATH_MAX];
	const char *driver;
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", device->name);
	if (access(path, F_OK) != 0)
		return sl_error_set(err, SL_ERR_PORT_NOT_FOUND, NULL,
			"\"%s\": this machine has no PCI function %s", device->spec, device->name);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", device->name);
	len = readlink(path, target, sizeof(target) - 1);
	target[len > 0 ? len : 0] = '\0';
	driver = strrchr(target, '/') != NULL ? strrchr(target, '/') + 1 : "no driver";
	if (is_dpdk_driver(driver))
		return 0;
	return sl_error_set(err, SL_ERR_PORT_FAILED, NULL,
		"\"%s\" is bound to %s; bind it to vfio-pci with dpdk-devbind.py", device->spec,
		driver);
}
