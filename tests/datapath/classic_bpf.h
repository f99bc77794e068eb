/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_DATAPATH_CLASSIC_BPF_H
#define TESTS_DATAPATH_CLASSIC_BPF_H

/* The kernel's interpreter: classic BPF as packet(7) and bpf(4) have it, of what our programs use. */

#include <linux/filter.h>
#include <stdint.h>

struct classic_bpf_frame {
	const uint8_t *bytes; /* what the program sees */
	uint32_t length;
	uint32_t net;      /* where the IP header begins, of loads from SKF_NET_OFF on */
	uint16_t protocol; /* what SKF_AD_PROTOCOL says */
};

/* What the program returns; fails the test when it has no end, or an instruction that is not known. */
uint32_t classic_bpf_run(
	const struct sock_filter *program, uint32_t n, const struct classic_bpf_frame *frame);

#endif
