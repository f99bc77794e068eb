/* SPDX-License-Identifier: BSD-3-Clause */
#include "sluiced_config.h"

#include "base/sl_buf.h"
#include "base/sl_uuid.h"
#include "document/sl_document.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#define FILE_MEMORY_MAX (64u << 20)
#define SOCKET_DEFAULT  "/run/sluice/api.sock"
#define MEGABYTES       512u
#define EVENT_RATE      10000u
#define LINK_NAME_MAX   (SL_PORT_NAME_MAX - sizeof(".outside"))
#define LISTS_MAX       256u

/* Where the reader is: an object of the file, its place, and where faults go. */
struct reader {
	const json_t *json; /* NULL: the object is absent and everything has its default */
	char pointer[64];
	struct sl_problems *problems;
};

static SL_PRINTF(4, 5) void fault(
	const struct reader *reader, enum sl_err code, const char *member, const char *format, ...)
{
	char pointer[160], detail[400];
	va_list values;

	va_start(values, format);
	vsnprintf(detail, sizeof(detail), format, values);
	va_end(values);
	snprintf(pointer, sizeof(pointer), "%s%s%s", reader->pointer, member[0] == '\0' ? "" : "/",
		member);
	sl_problems_add(reader->problems, code, pointer, "%s", detail);
}

static const char *
type_name(const json_t *json)
{
	static const char *const names[] = {[JSON_OBJECT] = "an object",
		[JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",
		[JSON_INTEGER] = "an integer",
		[JSON_REAL] = "a fraction",
		[JSON_TRUE] = "true",
		[JSON_FALSE] = "false",
		[JSON_NULL] = "null"};

	return names[json_typeof(json)];
}

/* --- Members. --- */

/* Faults for every member that is not one of `allowed` ("a b c"). */
static void
check_members(const struct reader *reader, const char *allowed)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)reader->json, name, value) {
		const char *at = allowed;
		size_t len = strlen(name);

		while (*at != '\0' &&
			(strncmp(at, name, len) != 0 || (at[len] != ' ' && at[len] != '\0'))) {
			at += strcspn(at, " ");
			at += *at == ' ';
		}
		if (*at == '\0' || len == 0)
			fault(reader, SL_ERR_RESERVED, name, "unknown member; allowed are: %s",
				allowed);
	}
}

/* The member when it is there and of the wanted type; wrong types are faults. */
static const json_t *
member(const struct reader *reader, const char *name, json_type type, const char *wanted)
{
	const json_t *value = json_object_get(reader->json, name);

	if (value == NULL || json_typeof(value) == type)
		return value;
	fault(reader, SL_ERR_TYPE_MISMATCH, name, "is %s; expected %s", type_name(value), wanted);
	return NULL;
}

static const char *
read_text(const struct reader *reader, const char *name, const char *otherwise)
{
	const json_t *value = member(reader, name, JSON_STRING, "a string");

	return value != NULL ? json_string_value(value) : otherwise;
}

static uint64_t
read_number(const struct reader *reader, const char *name, uint64_t min, uint64_t max,
	uint64_t otherwise)
{
	const json_t *value = member(reader, name, JSON_INTEGER, "an integer");
	json_int_t number;

	if (value == NULL)
		return otherwise;
	number = json_integer_value(value);
	if (number >= 0 && (uint64_t)number >= min && (uint64_t)number <= max)
		return (uint64_t)number;
	fault(reader, SL_ERR_OUT_OF_BOUNDS, name,
		"is %" JSON_INTEGER_FORMAT "; allowed are %" PRIu64 " to %" PRIu64, number, min,
		max);
	return otherwise;
}

static bool
read_bool(const struct reader *reader, const char *name, bool otherwise)
{
	const json_t *value = json_object_get(reader->json, name);

	if (value == NULL)
		return otherwise;
	if (json_is_boolean(value))
		return json_is_true(value);
	fault(reader, SL_ERR_TYPE_MISMATCH, name, "is %s; expected true or false",
		type_name(value));
	return otherwise;
}

/* The place of a member's text among `names`; a fault and `otherwise` when it is none of them. */
static unsigned int
read_name(const struct reader *reader, const char *name, const char *const names[], unsigned int n,
	unsigned int otherwise)
{
	const char *text = read_text(reader, name, NULL);
	char allowed[128] = "";
	size_t len = 0;

	if (text == NULL)
		return otherwise;
	for (unsigned int i = 0; i < n; i++) {
		if (strcmp(text, names[i]) == 0)
			return i;
		len += (size_t)snprintf(allowed + len, sizeof(allowed) - len, "%s\"%s\"",
			i == 0 ? "" : ", ", names[i]);
	}
	fault(reader, SL_ERR_INVALID_ENUMERATOR, name, "is \"%.64s\"; allowed are %s", text,
		allowed);
	return otherwise;
}

/* A list of texts, owned by the caller (free); the texts are the file's. */
static const char **
read_texts(const struct reader *reader, const char *name, uint32_t *n)
{
	const json_t *list = member(reader, name, JSON_ARRAY, "an array of strings"), *value;
	const char **texts;
	size_t i;

	*n = 0;
	if (list == NULL || json_array_size(list) == 0)
		return NULL;
	if (json_array_size(list) > LISTS_MAX) {
		fault(reader, SL_ERR_TOO_LARGE, name, "has %zu entries; at most %u are allowed",
			json_array_size(list), LISTS_MAX);
		return NULL;
	}
	texts = calloc(json_array_size(list), sizeof(*texts));
	if (texts == NULL) {
		fault(reader, SL_ERR_NO_MEMORY, name, "no memory");
		return NULL;
	}
	json_array_foreach(list, i, value) {
		char place[64];

		snprintf(place, sizeof(place), "%s/%zu", name, i);
		if (json_is_string(value) && json_string_length(value) > 0)
			texts[(*n)++] = json_string_value(value);
		else
			fault(reader, SL_ERR_TYPE_MISMATCH, place,
				"is %s; expected a string that is not empty",
				json_is_string(value) ? "empty" : type_name(value));
	}
	return texts;
}

/* A reader for a member that is an object. */
static struct reader
enter(const struct reader *reader, const char *name)
{
	struct reader inner = {.problems = reader->problems};

	inner.json = member(reader, name, JSON_OBJECT, "an object");
	/* Only the whole file has objects in it. */
	snprintf(inner.pointer, sizeof(inner.pointer), "/%s", name);
	return inner;
}

/* --- Links. --- */

static void
read_device(const struct reader *reader, const char *name, char device[256])
{
	const char *text = read_text(reader, name, NULL);
	struct sl_error err;

	if (text == NULL) {
		if (json_object_get(reader->json, name) == NULL)
			fault(reader, SL_ERR_NULL_POINTER, name,
				"is missing; expected a device such as \"af_packet:IFACE\"");
		return;
	}
	if (sl_datapath_check_device(text, &err) != 0) {
		fault(reader, err.code, name, "%s", err.text);
		return;
	}
	snprintf(device, 256, "%s", text);
}

static void
read_link(const struct reader *reader, struct sl_link_config *link)
{
	const char *name = read_text(reader, "name", NULL);

	check_members(reader, "name inside outside mtu inside_profile outside_profile");
	if (name == NULL) {
		if (json_object_get(reader->json, "name") == NULL)
			fault(reader, SL_ERR_NULL_POINTER, "name",
				"is missing; a link needs a name");
	} else if (!sl_key_is_valid(name) || strlen(name) > LINK_NAME_MAX) {
		fault(reader, SL_ERR_INVALID_PARAMETER, "name",
			"\"%.80s\" is not a name; expected 1 to %zu characters a-z, 0-9, '.', '_', "
			"'-'",
			name, LINK_NAME_MAX);
	} else {
		snprintf(link->name, sizeof(link->name), "%s", name);
	}
	read_device(reader, "inside", link->inside);
	read_device(reader, "outside", link->outside);
	link->mtu = (uint16_t)read_number(reader, "mtu", 68, 9710, 0);
	link->inside_profile = (uint32_t)read_number(reader, "inside_profile", 0, UINT32_MAX, 0);
	link->outside_profile = (uint32_t)read_number(reader, "outside_profile", 0, UINT32_MAX, 0);
}

/* A link's name must be its own, and so must its devices be, apart from files and nothing. */
static void
check_unique(const struct reader *reader, const struct sl_link_config *links, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (links[n].name[0] != '\0' && strcmp(links[n].name, links[i].name) == 0)
			fault(reader, SL_ERR_ALREADY_EXISTS, "name",
				"link %u has the name \"%s\" already", i, links[i].name);
	}
}

static void
read_links(const struct reader *reader, struct sluiced_config *config)
{
	const json_t *list = member(reader, "links", JSON_ARRAY, "an array of links"), *value;
	size_t i;

	if (json_object_get(reader->json, "links") == NULL)
		fault(reader, SL_ERR_NULL_POINTER, "links",
			"is missing; at least one link is needed");
	if (list == NULL)
		return;
	if (json_array_size(list) == 0 || json_array_size(list) > SL_DATAPATH_LINKS_MAX) {
		fault(reader, SL_ERR_OUT_OF_BOUNDS, "links", "has %zu links; allowed are 1 to %u",
			json_array_size(list), SL_DATAPATH_LINKS_MAX);
		return;
	}
	json_array_foreach(list, i, value) {
		struct reader inner = {.json = value, .problems = reader->problems};

		snprintf(inner.pointer, sizeof(inner.pointer), "/links/%zu", i);
		if (!json_is_object(value)) {
			fault(&inner, SL_ERR_TYPE_MISMATCH, "", "is %s; expected a link",
				type_name(value));
			continue;
		}
		read_link(&inner, &config->links[i]);
		check_unique(&inner, config->links, (uint32_t)i);
	}
	config->datapath.links = config->links;
	config->datapath.n_links = (uint32_t)json_array_size(list);
}

/* --- The rest. --- */

/* "auto" is 0 to the datapath. */
static uint32_t
read_workers(const struct reader *reader)
{
	const json_t *value = json_object_get(reader->json, "workers");

	if (json_is_string(value)) {
		if (strcmp(json_string_value(value), "auto") != 0)
			fault(reader, SL_ERR_INVALID_ENUMERATOR, "workers",
				"is \"%.64s\"; expected \"auto\" or a number",
				json_string_value(value));
		return 0;
	}
	return (uint32_t)read_number(reader, "workers", 1, SL_DATAPATH_WORKERS_MAX, 0);
}

static void
read_datapath(const struct reader *reader, struct sluiced_config *config)
{
	static const char *const polls[] = {
		[SL_POLL_ADAPTIVE] = "adaptive", [SL_POLL_BUSY] = "busy"};
	struct sl_datapath_config *datapath = &config->datapath;
	struct reader memory = enter(reader, "memory"), descriptors = enter(reader, "descriptors");
	struct reader events = enter(reader, "events");

	datapath->n_workers = read_workers(reader);
	datapath->poll = (enum sl_poll)read_name(
		reader, "poll", polls, SL_ARRAY_LEN(polls), SL_POLL_ADAPTIVE);
	datapath->burst = (uint32_t)read_number(reader, "burst", 1, SL_PIPELINE_BURST_MAX, 0);
	check_members(&memory, "hugepages megabytes compiled_megabytes");
	datapath->hugepages = read_bool(&memory, "hugepages", false);
	datapath->megabytes = (uint32_t)read_number(&memory, "megabytes", 32, 1 << 20, MEGABYTES);
	config->compile_memory_max =
		(size_t)read_number(&memory, "compiled_megabytes", 1, 1 << 20, 0) << 20;
	check_members(&descriptors, "rx tx");
	datapath->rx_descriptors = (uint32_t)read_number(&descriptors, "rx", 64, 32768, 0);
	datapath->tx_descriptors = (uint32_t)read_number(&descriptors, "tx", 64, 32768, 0);
	check_members(&events, "rate log");
	datapath->event_rate = read_number(&events, "rate", 0, 10000000, EVENT_RATE);
	config->event_log = (uint32_t)read_number(&events, "log", 1, 1 << 24, 0);
	config->eal = read_texts(reader, "eal", &datapath->n_eal);
	datapath->eal = config->eal;
}

/* "0660": octal digits, as chmod takes them. */
static uint32_t
read_mode(const struct reader *reader)
{
	const char *text = read_text(reader, "mode", NULL);
	char *end;
	unsigned long mode;

	if (text == NULL)
		return 0;
	mode = strtoul(text, &end, 8);
	if (text[0] >= '0' && text[0] <= '7' && *end == '\0' && mode > 0 && mode <= 0777)
		return (uint32_t)mode;
	fault(reader, SL_ERR_INVALID_PARAMETER, "mode",
		"is \"%.16s\"; expected octal digits such as \"0660\"", text);
	return 0;
}

static void
read_api(const struct reader *outer, struct sl_api_config *api)
{
	struct reader reader = enter(outer, "api");

	check_members(
		&reader, "socket mode group body_max request_memory_max connections_max timeout_s");
	api->socket = read_text(&reader, "socket", SOCKET_DEFAULT);
	if (api->socket[0] != '/' ||
		strlen(api->socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		fault(&reader, SL_ERR_INVALID_PARAMETER, "socket",
			"\"%.160s\" is not an absolute path of at most %zu characters", api->socket,
			sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
	api->socket_mode = read_mode(&reader);
	api->socket_group = read_text(&reader, "group", NULL);
	if (api->socket_group != NULL && getgrnam(api->socket_group) == NULL)
		fault(&reader, SL_ERR_NOT_FOUND, "group",
			"this machine has no group named \"%.64s\"", api->socket_group);
	api->body_max = read_number(&reader, "body_max", 1024, UINT32_MAX, 0);
	api->request_memory_max =
		read_number(&reader, "request_memory_max", 65536, (uint64_t)1 << 40, 0);
	api->connections_max = (uint32_t)read_number(&reader, "connections_max", 1, 65536, 0);
	api->timeout_s = (uint32_t)read_number(&reader, "timeout_s", 1, 3600, 0);
}

static void
read_files(const struct reader *reader, struct sluiced_config *config)
{
	struct stat state;

	config->policy_files = read_texts(reader, "policy", &config->n_policy_files);
	config->plugin_folders = read_texts(reader, "plugins", &config->n_plugin_folders);
	for (uint32_t i = 0; i < config->n_plugin_folders; i++) {
		char place[64];

		snprintf(place, sizeof(place), "plugins/%u", i);
		if (stat(config->plugin_folders[i], &state) != 0)
			fault(reader, SL_ERR_NOT_FOUND, place, "\"%.200s\": %s",
				config->plugin_folders[i], strerror(errno));
		else if (!S_ISDIR(state.st_mode))
			fault(reader, SL_ERR_INVALID_PARAMETER, place, "\"%.200s\" is not a folder",
				config->plugin_folders[i]);
	}
	config->store = read_text(reader, "store", NULL);
}

static void
read_all(const struct reader *reader, struct sluiced_config *config)
{
	static const char *const levels[] = {[SL_LOG_ERROR] = "error",
		[SL_LOG_WARNING] = "warning",
		[SL_LOG_NOTICE] = "notice",
		[SL_LOG_INFO] = "info",
		[SL_LOG_DEBUG] = "debug"};

	check_members(reader,
		"links workers poll burst descriptors memory api policy plugins events eal "
		"log_level store");
	read_links(reader, config);
	read_datapath(reader, config);
	read_api(reader, &config->api);
	read_files(reader, config);
	config->log_level = (enum sl_log_level)read_name(
		reader, "log_level", levels, SL_ARRAY_LEN(levels), SL_LOG_NOTICE);
}

int
sluiced_config_load(struct sluiced_config *config, const char *path, struct sl_problems *problems)
{
	struct reader reader = {.problems = problems};
	struct sl_error err;
	int rc;

	*config = (struct sluiced_config){.log_level = SL_LOG_NOTICE};
	rc = sl_json_load_file(path, FILE_MEMORY_MAX, &config->json, &err);
	if (rc != 0) {
		sl_problems_add(problems, err.code, "", "%s: %s", err.where, err.text);
		return rc;
	}
	reader.json = config->json;
	if (json_is_object(config->json))
		read_all(&reader, config);
	else
		fault(&reader, SL_ERR_TYPE_MISMATCH, "", "%s: is %s; expected an object", path,
			type_name(config->json));
	return problems->n_total == 0 ? 0 : -EINVAL;
}

void
sluiced_config_fini(struct sluiced_config *config)
{
	free(config->policy_files);
	free(config->plugin_folders);
	free(config->eal);
	json_decref(config->json);
	*config = (struct sluiced_config){0};
}
