/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/interface.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool
ask(int fd, unsigned long question, const char *name, struct ifreq *request)
{
	*request = (struct ifreq){0};
	snprintf(request->ifr_name, IF_NAMESIZE, "%s", name);
	return ioctl(fd, question, request) == 0;
}

static uint32_t
link_speed(int fd, const char *name)
{
	struct ethtool_cmd command = {.cmd = ETHTOOL_GSET};
	struct ifreq request = {0};
	uint32_t speed;

	snprintf(request.ifr_name, IF_NAMESIZE, "%s", name);
	request.ifr_data = (char *)&command;
	if (ioctl(fd, SIOCETHTOOL, &request) != 0)
		return 0;
	speed = ethtool_cmd_speed(&command);
	return speed == UINT32_MAX || speed == UINT16_MAX ? 0 : speed;
}

bool
interface_get(const char *name, struct interface *interface)
{
	struct ifreq request;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*interface = (struct interface){0};
	if (fd < 0)
		return false;
	if (ask(fd, SIOCGIFINDEX, name, &request)) {
		interface->index = request.ifr_ifindex;
		if (ask(fd, SIOCGIFMTU, name, &request))
			interface->mtu = (uint16_t)SL_MIN(request.ifr_mtu, UINT16_MAX);
		if (ask(fd, SIOCGIFHWADDR, name, &request))
			memcpy(interface->mac, request.ifr_hwaddr.sa_data, sizeof(interface->mac));
		if (ask(fd, SIOCGIFFLAGS, name, &request))
			interface->is_up = (request.ifr_flags & (IFF_UP | IFF_RUNNING)) ==
				(IFF_UP | IFF_RUNNING);
		interface->speed_mbps = link_speed(fd, name);
	}
	close(fd);
	return interface->index != 0;
}

int
interface_set_mtu(const char *name, uint16_t mtu, struct sl_error *err)
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	snprintf(request.ifr_name, IF_NAMESIZE, "%s", name);
	request.ifr_mtu = mtu;
	if (fd < 0 || ioctl(fd, SIOCSIFMTU, &request) != 0)
		rc = sl_error_set(err, errno == EPERM ? SL_ERR_PERMISSION : SL_ERR_PORT_FAILED,
			NULL, "interface \"%s\" does not take MTU %u: %s%s", name, mtu,
			strerror(errno), errno == EPERM ? " (needs CAP_NET_ADMIN)" : "");
	if (fd >= 0)
		close(fd);
	return rc;
}

/* One ethtool command that takes and returns a number. */
static bool
command(int fd, const char *name, uint32_t code, uint32_t *number)
{
	struct ethtool_value value = {.cmd = code, .data = *number};
	struct ifreq request = {0};

	snprintf(request.ifr_name, IF_NAMESIZE, "%s", name);
	request.ifr_data = (char *)&value;
	if (ioctl(fd, SIOCETHTOOL, &request) != 0)
		return false;
	*number = value.data;
	return true;
}

bool
interface_stop_merging(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t gro = 0, flags = 0, off = 0;
	bool merges;

	if (fd < 0)
		return true;
	/* Devices that do not answer do not merge. */
	if (command(fd, name, ETHTOOL_GGRO, &gro) && gro != 0 &&
		command(fd, name, ETHTOOL_SGRO, &off))
		gro = 0;
	if (command(fd, name, ETHTOOL_GFLAGS, &flags) && (flags & ETH_FLAG_LRO) != 0) {
		flags &= ~(uint32_t)ETH_FLAG_LRO;
		if (!command(fd, name, ETHTOOL_SFLAGS, &flags))
			flags |= ETH_FLAG_LRO;
	}
	merges = gro != 0 || (flags & ETH_FLAG_LRO) != 0;
	close(fd);
	return !merges;
}

/* Asks for one link by index; the answer goes to `answer`. Returns its bytes, negative on failure. */
static ssize_t
ask_link(int index, void *answer, size_t size)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
	} question = {
		.header = {.nlmsg_len = sizeof(question),
			.nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST},
		.info = {.ifi_family = AF_UNSPEC, .ifi_index = index},
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t len = -1;

	if (fd < 0)
		return -1;
	if (send(fd, &question, sizeof(question), 0) == (ssize_t)sizeof(question))
		len = recv(fd, answer, size, 0);
	close(fd);
	return len;
}

bool
interface_master(const char *name, char master[IF_NAMESIZE])
{
	union {
		struct nlmsghdr header;
		uint8_t bytes[16384];
	} answer;
	ssize_t len = ask_link((int)if_nametoindex(name), &answer, sizeof(answer));
	struct rtattr *attribute;
	int rest, index = 0;

	if (len < (ssize_t)NLMSG_LENGTH(sizeof(struct ifinfomsg)) ||
		!NLMSG_OK(&answer.header, (uint32_t)len) || answer.header.nlmsg_type != RTM_NEWLINK)
		return false;
	rest = (int)IFLA_PAYLOAD(&answer.header);
	for (attribute = IFLA_RTA(NLMSG_DATA(&answer.header)); RTA_OK(attribute, rest);
		attribute = RTA_NEXT(attribute, rest)) {
		if (attribute->rta_type == IFLA_MASTER && RTA_PAYLOAD(attribute) == sizeof(index))
			memcpy(&index, RTA_DATA(attribute), sizeof(index));
	}
	return index != 0 && if_indextoname((unsigned int)index, master) != NULL;
}

bool
interface_address(const char *name, char address[INET6_ADDRSTRLEN])
{
	struct ifaddrs *list, *at;
	bool found = false;

	if (getifaddrs(&list) != 0)
		return false;
	for (at = list; at != NULL && !found; at = at->ifa_next) {
		const void *bytes = NULL;

		if (at->ifa_addr == NULL || strcmp(at->ifa_name, name) != 0)
			continue;
		if (at->ifa_addr->sa_family == AF_INET)
			bytes = &((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr;
		else if (at->ifa_addr->sa_family == AF_INET6)
			bytes = &((const struct sockaddr_in6 *)(const void *)at->ifa_addr)
					 ->sin6_addr;
		found = bytes != NULL &&
			inet_ntop(at->ifa_addr->sa_family, bytes, address, INET6_ADDRSTRLEN) !=
				NULL;
	}
	freeifaddrs(list);
	return found;
}
