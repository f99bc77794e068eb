/* SPDX-License-Identifier: BSD-3-Clause */
#include "sluice_replay.h"

#include "document/sl_document.h"
#include "flows_config.h"

#include <errno.h>
#include <string.h>

#define PORT_INSIDE  1u /* interface indices of the first link */
#define PORT_OUTSIDE 2u
#define ETHERNET     6u /* interface type (RFC 2863) */

/* --- Paths. --- */

uint32_t
replay_path_index(enum sluice_direction direction, enum sl_link_type link_type)
{
	return (uint32_t)direction * SL_LINK_COUNT + (uint32_t)link_type;
}

enum sl_link_type
replay_path_link_type(uint32_t path)
{
	return (enum sl_link_type)(path % SL_LINK_COUNT);
}

static void
name_ports(struct replay_ports *ports, const char *link)
{
	static const char *const sides[] = {
		[SL_SIDE_INSIDE] = "inside",
		[SL_SIDE_OUTSIDE] = "outside",
	};

	for (uint32_t i = 0; i < 2; i++) {
		snprintf(ports->names[i], sizeof(ports->names[i]), "%s.%s", link, sides[i]);
		ports->blobs[i].bytes = (const uint8_t *)ports->names[i];
		ports->blobs[i].len = (uint32_t)strlen(ports->names[i]);
	}
}

static void
make_path(const struct replay_ports *ports, enum sluice_direction direction,
	enum sl_link_type link_type, struct sl_path *path)
{
	bool is_inbound = direction == SLUICE_DIRECTION_INBOUND;
	uint32_t arrival = is_inbound ? PORT_OUTSIDE : PORT_INSIDE;
	uint32_t nexthop = is_inbound ? PORT_INSIDE : PORT_OUTSIDE;

	*path = (struct sl_path){
		.direction = direction,
		.link_type = link_type,
		.ports =
			{
				.arrival_luid = arrival,
				.nexthop_luid = nexthop,
				.outside_luid = PORT_OUTSIDE,
				.arrival_index = arrival,
				.nexthop_index = nexthop,
				.outside_index = PORT_OUTSIDE,
				.interface_type = ETHERNET,
				.arrival_name = &ports->blobs[is_inbound ? SL_SIDE_OUTSIDE
									 : SL_SIDE_INSIDE],
				.nexthop_name = &ports->blobs[is_inbound ? SL_SIDE_INSIDE
									 : SL_SIDE_OUTSIDE],
			},
	};
}

void
replay_paths_make(struct replay_ports *ports, const char *link, struct sl_path paths[REPLAY_PATHS])
{
	name_ports(ports, link);
	for (unsigned int link_type = 0; link_type < SL_LINK_COUNT; link_type++) {
		make_path(ports, SLUICE_DIRECTION_INBOUND, link_type,
			&paths[replay_path_index(SLUICE_DIRECTION_INBOUND, link_type)]);
		make_path(ports, SLUICE_DIRECTION_OUTBOUND, link_type,
			&paths[replay_path_index(SLUICE_DIRECTION_OUTBOUND, link_type)]);
	}
}

/* --- Flows. --- */

static int
read_file(const char *path, struct sl_flow_config *config)
{
	struct sl_problems problems = {0};
	struct sl_error err;
	json_t *json;
	int rc;

	if (sl_json_load_file(path, 0, &json, &err) != 0) {
		fprintf(stderr, "%s: %s\n", err.where, err.text);
		return -1;
	}
	rc = app_flows_config_read(json, "", config, NULL, &problems);
	json_decref(json);
	replay_say_problems(path, &problems);
	return rc == 0 ? 0 : -1;
}

int
replay_flows_read(const struct replay_options *options, struct sl_flow_config *config)
{
	/* Nobody can choose collisions against a capture, and runs repeat. */
	static const uint64_t hash_key[2] = {
		UINT64_C(0x736c756963652d72), UINT64_C(0x65706c61792d6b65)};

	if (sl_flow_config_init(config) != 0)
		return replay_fail("no random numbers: %s", strerror(errno));
	memcpy(config->hash_key, hash_key, sizeof(hash_key));
	/* What was captured where it was sent may lack its checksums. */
	config->tcp_checksum = SL_FLOW_CHECKSUM_IGNORE;
	if (options->flows != NULL && read_file(options->flows, config) != 0)
		return -1;
	if (options->has_tcp_checksum)
		config->tcp_checksum = options->tcp_checksum;
	config->events |= options->has_flow_events;
	return 0;
}
