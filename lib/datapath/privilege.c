/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/privilege.h"

#include "base/sl_compiler.h"

#include <linux/capability.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t
effective(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data) != 0)
		return 0;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

bool
privilege_has(uint64_t mask, char *missing, size_t size)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} names[] = {
		{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
		{CAP_NET_RAW, "CAP_NET_RAW"},
		{CAP_IPC_LOCK, "CAP_IPC_LOCK"},
		{CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
	};
	uint64_t lacking = mask & ~effective();
	size_t used = 0;

	if (size > 0)
		missing[0] = '\0';
	for (size_t i = 0; i < SL_ARRAY_LEN(names) && used < size; i++) {
		if (lacking >> names[i].bit & 1)
			used += (size_t)snprintf(missing + used, size - used, "%s%s",
				used == 0 ? "" : ", ", names[i].name);
	}
	return lacking == 0;
}
