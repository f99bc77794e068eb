/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_FLOW_SIP_RUN_H
#define SL_FLOW_SIP_RUN_H

/*
 * SipHash-1-3 in pieces that work on numbers and on vectors of numbers alike: a state is four of either.
 * What it hashes, and that it is the function of base/sl_siphash.h, is in hash_run.c and its test.
 */

#define SIP_ROTATE(x, n) ((x) << (n) | (x) >> (64 - (n)))

#define SIP_ROUND(v)                                      \
	do {                                              \
		(v)[0] += (v)[1];                         \
		(v)[2] += (v)[3];                         \
		(v)[1] = SIP_ROTATE((v)[1], 13) ^ (v)[0]; \
		(v)[3] = SIP_ROTATE((v)[3], 16) ^ (v)[2]; \
		(v)[0] = SIP_ROTATE((v)[0], 32);          \
		(v)[2] += (v)[1];                         \
		(v)[0] += (v)[3];                         \
		(v)[1] = SIP_ROTATE((v)[1], 17) ^ (v)[2]; \
		(v)[3] = SIP_ROTATE((v)[3], 21) ^ (v)[0]; \
		(v)[2] = SIP_ROTATE((v)[2], 32);          \
	} while (0)

#define SIP_ABSORB(v, word)     \
	do {                    \
		(v)[3] ^= word; \
		SIP_ROUND(v);   \
		(v)[0] ^= word; \
	} while (0)

#define SIP_FINISH(v)           \
	do {                    \
		(v)[2] ^= 0xff; \
		SIP_ROUND(v);   \
		SIP_ROUND(v);   \
		SIP_ROUND(v);   \
	} while (0)

#define SIP_INIT0 0x736f6d6570736575u
#define SIP_INIT1 0x646f72616e646f6du
#define SIP_INIT2 0x6c7967656e657261u
#define SIP_INIT3 0x7465646279746573u

#endif
