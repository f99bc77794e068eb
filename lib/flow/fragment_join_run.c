/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: the whole packet of a datagram that is complete. */
#include "flow/fragment.h"

#include "packet/sl_build.h"

#define IP6_SIZE           40u
#define IP4_FLAGS_KEPT     0xc0u /* of the byte with the flags: reserved, and don't-fragment */
#define IP4_TOTAL_LENGTH   2u
#define IP4_FLAGS          6u
#define IP6_PAYLOAD_LENGTH 4u

static void
put_be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* As if it had never been split. */
static void
mend_ip4(uint8_t *ip, uint32_t length)
{
	put_be16(ip + IP4_TOTAL_LENGTH, length);
	ip[IP4_FLAGS] &= IP4_FLAGS_KEPT;
	ip[IP4_FLAGS + 1] = 0;
	sl_build_ip4_checksum(ip);
}

static void
mend_ip6(const struct sl_datagram *datagram, uint8_t *packet, uint32_t length)
{
	const struct sl_datagram_head *head = &datagram->head;

	packet[head->named_at] = head->next;
	put_be16(packet + head->l3 + IP6_PAYLOAD_LENGTH, length - IP6_SIZE);
}

void
sl_datagram_join(const struct sl_datagram *datagram, uint8_t *buffer, struct sl_frame *frame)
{
	const struct sl_datagram_head *head = &datagram->head;
	const struct sl_fragment *fragment;
	uint32_t length = head->size + datagram->end, contiguous = length, at;

	sl_spot_get(head->spot, buffer, head->size);
	STAILQ_FOREACH(fragment, &datagram->fragments, next) {
		at = head->size + fragment->offset;
		sl_spot_get(fragment->spot, buffer + at, fragment->copied);
		if (fragment->copied < fragment->size)
			contiguous = SL_MIN(contiguous, at + fragment->copied);
	}
	if (datagram->key.ip_version == 4)
		mend_ip4(buffer + head->l3, length - head->l3);
	else
		mend_ip6(datagram, buffer, length - head->l3);
	*frame = (struct sl_frame){
		.bytes = buffer,
		.contiguous = contiguous,
		.length = length,
	};
}

uint32_t
sl_datagram_path(const struct sl_datagram *datagram)
{
	return datagram->key.path;
}

const struct sl_meta *
sl_datagram_meta(const struct sl_datagram *datagram)
{
	return &datagram->meta;
}
