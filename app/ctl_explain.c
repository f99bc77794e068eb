/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* explain: every layer, sublayer and filter that one packet would meet, and why. */

struct options {
	const char *packet;    /* hexadecimal, or "-" */
	const char *direction; /* "inbound" or "outbound" */
	const char *link;
	const char *flow; /* NULL: new */
	const char *layer;
	const char *values; /* JSON, or "@FILE" */
	const char *pcap;
	uint64_t n; /* of the packet in the capture, from 1 */
	bool shows_all;
};

enum {
	OPTION_LAYER = 256,
	OPTION_VALUES,
	OPTION_PCAP,
	OPTION_FLOW
};

static const struct argp_option argp_options[] = {
	{"packet", 'p', "HEX", 0, "An Ethernet frame in hexadecimal, or - for standard input", 0},
	{"pcap", OPTION_PCAP, "FILE", 0, "Take the frame from a capture", 0},
	{"number", 'n', "N", 0, "Which frame of the capture, from 1 (the default)", 0},
	{"direction", 'd', "DIRECTION", 0, "inbound (from outside) or outbound", 0},
	{"link", 'l', "NAME", 0, "The link it passes; the default is the first", 0},
	{"flow", OPTION_FLOW, "STATE", 0,
		"What is known of its flow: new (the default), established, or reply", 0},
	{"layer", OPTION_LAYER, "LAYER", 0, "Instead of a packet: one layer, with --values", 0},
	{"values", OPTION_VALUES, "JSON", 0, "Fields and their values, or @FILE", 0},
	{"all", 'a', NULL, 0, "Show layers without filters, too", 0},
	{0},
};

static void
read_direction(struct options *options, const char *arg, struct argp_state *state)
{
	size_t len = strlen(arg);

	if (len >= 2 && strncmp(arg, "inbound", len) == 0)
		options->direction = "inbound";
	else if (len >= 1 && strncmp(arg, "outbound", len) == 0)
		options->direction = "outbound";
	else
		argp_error(state, "the direction is inbound or outbound, not %s", arg);
}

static void
read_n(struct options *options, const char *arg, struct argp_state *state)
{
	char *end;

	options->n = strtoull(arg, &end, 10);
	if (*end != '\0' || options->n == 0 || arg[0] == '-')
		argp_error(state, "the number of a frame is 1 or more, not %s", arg);
}

static void
check(const struct options *options, struct argp_state *state)
{
	const int n =
		(options->packet != NULL) + (options->pcap != NULL) + (options->layer != NULL);

	if (n != 1)
		argp_error(state, "one of --packet, --pcap and --layer is needed");
	if (options->layer == NULL && options->direction == NULL)
		argp_error(state, "a packet needs its --direction");
	if (options->layer == NULL && options->values != NULL)
		argp_error(state, "--values goes with --layer");
	if (options->layer != NULL &&
		(options->direction != NULL || options->link != NULL || options->flow != NULL))
		argp_error(
			state, "--direction, --link and --flow go with a packet, not with --layer");
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'p':
		options->packet = arg;
		return 0;
	case 'd':
		read_direction(options, arg, state);
		return 0;
	case 'l':
		options->link = arg;
		return 0;
	case 'n':
		read_n(options, arg, state);
		return 0;
	case 'a':
		options->shows_all = true;
		return 0;
	case OPTION_FLOW:
		options->flow = arg;
		return 0;
	case OPTION_LAYER:
		options->layer = arg;
		return 0;
	case OPTION_VALUES:
		options->values = arg;
		return 0;
	case OPTION_PCAP:
		options->pcap = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument %s", arg);
		return 0;
	case ARGP_KEY_END:
		check(options, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- The question. --- */

/* Digits without the blanks, colons and line ends that people have between them. */
static void
strip_hex(char *hex)
{
	char *to = hex;

	for (const char *from = hex; *from != '\0'; from++) {
		if (strchr(" :\t\r\n", *from) == NULL)
			*to++ = *from;
	}
	*to = '\0';
}

static int
read_packet(const struct options *options, json_t **question)
{
	char *hex = NULL;
	size_t len;
	int rc = CTL_OK;

	if (options->pcap != NULL)
		rc = ctl_read_frame(options->pcap, options->n, &hex);
	else if (strcmp(options->packet, "-") == 0)
		rc = ctl_read_file("-", &hex, &len);
	else
		hex = strdup(options->packet);
	if (rc != CTL_OK)
		return rc;
	if (hex == NULL)
		return ctl_fail("not enough memory");
	strip_hex(hex);
	*question = json_pack("{s:s, s:s, s:s*, s:s*}", "packet", hex, "direction",
		options->direction, "link", options->link, "flow", options->flow);
	free(hex);
	return *question != NULL ? CTL_OK : ctl_fail("the packet is not text in hexadecimal");
}

static int
read_values(const struct options *options, json_t **question)
{
	const char *text = options->values != NULL ? options->values : "{}";
	char *from_file = NULL;
	json_error_t fault;
	json_t *values;
	size_t len;
	int rc = CTL_OK;

	if (text[0] == '@')
		rc = ctl_read_file(text + 1, &from_file, &len);
	if (rc != CTL_OK)
		return rc;
	values = json_loads(from_file != NULL ? from_file : text, JSON_REJECT_DUPLICATES, &fault);
	free(from_file);
	if (values == NULL)
		return ctl_fail(
			"--values: line %d, column %d: %s", fault.line, fault.column, fault.text);
	*question = json_pack("{s:s, s:o}", "layer", options->layer, "values", values);
	return *question != NULL ? CTL_OK : ctl_fail("the layer's name is not text");
}

/* --- The answer. --- */

static void
print_line(int depth, const char *mark, const char *text)
{
	printf("%*s%s", depth * 2, "", mark);
	ctl_print_text(text);
	putchar('\n');
}

/* "ip_local_port is 23; wanted equal 80 or range [90,99]; 1 of 2 fields fail" */
static void
print_near_miss(const json_t *miss)
{
	char *found = json_dumps(json_object_get(miss, "found"), JSON_ENCODE_ANY | JSON_COMPACT);
	const json_t *wanted;
	size_t i;

	ctl_printf("        %s is %s; wanted", ctl_text(miss, "field"),
		found == NULL || strcmp(found, "null") == 0 ? "EMPTY" : found);
	free(found);
	json_array_foreach(json_object_get(miss, "wanted"), i, wanted) {
		char *value = json_dumps(
			json_object_get(wanted, "value"), JSON_ENCODE_ANY | JSON_COMPACT);

		ctl_printf("%s %s %s", i > 0 ? " or" : "", ctl_text(wanted, "match"),
			value != NULL ? value : "null");
		free(value);
	}
	ctl_line("; %s of %s fields fail", ctl_text(miss, "failed"), ctl_text(miss, "conditions"));
}

static void
print_filter(const json_t *filter)
{
	const json_t *running = json_object_get(filter, "running");
	const bool matched = json_is_true(json_object_get(filter, "matched"));

	printf("    %s ", matched ? "[x]" : "[ ]");
	ctl_printf("%s: %s", ctl_text(filter, "filter"), ctl_text(filter, "action"));
	if (json_object_get(filter, "callout") != NULL)
		ctl_printf(" %s", ctl_text(filter, "callout"));
	if (matched)
		ctl_printf(", %s", ctl_text(filter, "effect"));
	if (json_is_object(running))
		ctl_printf(" -> %s, %s", ctl_text(running, "action"), ctl_text(running, "right"));
	putchar('\n');
	if (!matched)
		print_near_miss(json_object_get(filter, "near_miss"));
}

static void
print_layer(const json_t *layer)
{
	const json_t *sublayer, *filter;
	char text[512];
	size_t i, f;

	snprintf(
		text, sizeof(text), "%s: %s", ctl_text(layer, "layer"), ctl_text(layer, "verdict"));
	print_line(0, "", text);
	json_array_foreach(json_object_get(layer, "sublayers"), i, sublayer) {
		snprintf(text, sizeof(text), "sublayer %s (%s)", ctl_text(sublayer, "sublayer"),
			ctl_text(sublayer, "weight"));
		print_line(1, "", text);
		json_array_foreach(json_object_get(sublayer, "filters"), f, filter)
			print_filter(filter);
	}
	if (ctl_number(layer, "misses_not_listed") > 0)
		printf("    %" PRIu64 " more filters did not match\n",
			ctl_number(layer, "misses_not_listed"));
	if (json_is_false(json_object_get(layer, "engines_agree")))
		puts("  the compiled classifier and the reference disagree here");
}

static void
print_verdict(const json_t *answer)
{
	ctl_printf("verdict: %s", ctl_text(answer, "verdict"));
	if (json_is_string(json_object_get(answer, "reason")))
		ctl_printf(" (%s)", ctl_text(answer, "reason"));
	if (json_is_string(json_object_get(answer, "layer")))
		ctl_printf(" at %s", ctl_text(answer, "layer"));
	if (json_is_string(json_object_get(answer, "filter")))
		ctl_printf(" by filter %s of sublayer %s", ctl_text(answer, "filter"),
			ctl_text(answer, "sublayer"));
	ctl_line("; revision %s", ctl_text(answer, "revision"));
}

static void
show_answer(const struct ctl *ctl, const json_t *answer, void *ctx)
{
	const struct options *options = ctx;
	const json_t *layer;
	size_t i;

	(void)ctl;
	json_array_foreach(json_object_get(answer, "layers"), i, layer) {
		if (ctl_number(layer, "filters") > 0 || options->shows_all ||
			strcmp(ctl_text(layer, "verdict"), "permit") != 0)
			print_layer(layer);
	}
	print_verdict(answer);
}

int
ctl_explain(struct ctl *ctl, int argc, char **argv)
{
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse,
		.doc = "Explains what would become of a packet, or what one layer says to given "
		       "values. Nothing is "
		       "counted, and no callout is called.\v"
		       "Examples:\n"
		       "  sluicectl explain --pcap trace.pcap -n 7 -d in\n"
		       "  sluicectl explain --layer inbound_transport_v4 --values "
		       "'{\"ip_protocol\": 6, "
		       "\"ip_local_port\": 23}'",
	};
	struct options options = {.n = 1};
	struct ctl_request request = {.method = "POST", .path = "/v1/explain"};
	json_t *question = NULL;
	char *body;
	int rc;

	ctl_parse(ctl, &argp, argc, argv, &options);
	rc = options.layer != NULL ? read_values(&options, &question)
				   : read_packet(&options, &question);
	if (rc != CTL_OK)
		return rc;
	body = json_dumps(question, JSON_COMPACT);
	json_decref(question);
	if (body == NULL)
		return ctl_fail("not enough memory");
	request.body = body;
	request.len = strlen(body);
	rc = ctl_call_and_show(ctl, &request, show_answer, &options);
	free(body);
	return rc;
}
