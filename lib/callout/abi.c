/* SPDX-License-Identifier: BSD-3-Clause */
#include "callout/registry.h"

#include <string.h>

/* Version and size stay the first two members in every version, so they may be read of any. */
#define HEAD_SIZE (2 * sizeof(uint32_t))

#define FLAGS_KNOWN SLUICE_CALLOUT_FLAG_CONDITIONAL_ON_FLOW

static bool
is_slug_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool
sl_callout_is_name(const char *text)
{
	size_t len = strnlen(text, NAME_MAX_LEN + 1);

	if (len == 0 || len > NAME_MAX_LEN || !is_slug_char(text[0]))
		return false;
	for (size_t i = 1; i < len; i++) {
		if (!is_slug_char(text[i]) && strchr("._-", text[i]) == NULL)
			return false;
	}
	return true;
}

/* These texts go into JSON answers and log lines. */
static bool
is_plain_text(const char *text, size_t len_max)
{
	size_t len = strnlen(text, len_max + 1);

	if (len > len_max)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	}
	return true;
}

static bool
is_counter_name(const char *text)
{
	size_t len = strnlen(text, 32);

	if (len == 0 || len > 31)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_slug_char(text[i]) && text[i] != '_')
			return false;
	}
	return true;
}

static int
check_size(const char *name, uint32_t theirs, size_t ours, const char *path, struct sl_error *err)
{
	if (theirs == ours)
		return 0;
	return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
		"struct %s has %u bytes in the plugin and %zu in this program, although both have "
		"callout ABI version %u",
		name, theirs, ours, SLUICE_ABI_VERSION);
}

/* The sizes behind the first one are only where we look for them when the first one agrees. */
static int
check_sizes(
	const struct sluice_callout *callout, size_t known, const char *path, struct sl_error *err)
{
	int rc = check_size("sluice_callout", callout->size, sizeof(*callout), path, err);

	if (rc == 0 && known < sizeof(*callout))
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
			"its symbol sluice_callout has %zu bytes, but says %u", known,
			callout->size);
	if (rc == 0)
		rc = check_size("sluice_classify_in", callout->classify_in_size,
			sizeof(struct sluice_classify_in), path, err);
	if (rc == 0)
		rc = check_size("sluice_metadata", callout->metadata_size,
			sizeof(struct sluice_metadata), path, err);
	if (rc == 0)
		rc = check_size("sluice_filter", callout->filter_size, sizeof(struct sluice_filter),
			path, err);
	return rc;
}

static int
check_texts(const struct sluice_callout *callout, const char *path, struct sl_error *err)
{
	if (callout->name == NULL)
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path, "the plugin has no name");
	if (!sl_callout_is_name(callout->name))
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
			"the plugin's name is not of the form [a-z0-9][a-z0-9._-]{0,63}");
	if (callout->version != NULL && !is_plain_text(callout->version, VERSION_MAX_LEN))
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
			"the plugin's version is not at most %d bytes of ASCII", VERSION_MAX_LEN);
	if (callout->description != NULL &&
		!is_plain_text(callout->description, DESCRIPTION_MAX_LEN))
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
			"the plugin's description is not at most %d bytes of ASCII",
			DESCRIPTION_MAX_LEN);
	return 0;
}

static int
check_counters(const char *const *names, const char *path, struct sl_error *err)
{
	uint32_t n = 0;

	for (; names != NULL && names[n] != NULL; n++) {
		if (n == SL_CALLOUT_COUNTERS_MAX)
			return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
				"the plugin has more than %u counters", SL_CALLOUT_COUNTERS_MAX);
		if (!is_counter_name(names[n]))
			return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
				"the name of the plugin's counter %u is not of the form "
				"[a-z0-9_]{1,31}",
				n);
	}
	return 0;
}

int
sl_callout_abi_check(
	const struct sluice_callout *callout, size_t known, const char *path, struct sl_error *err)
{
	int rc;

	if (known < HEAD_SIZE)
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
			"its symbol sluice_callout has %zu bytes, too few to say which ABI it has",
			known);
	if (callout->abi_version != SLUICE_ABI_VERSION)
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
			"the plugin was built for callout ABI version %u; this program has version "
			"%u",
			callout->abi_version, SLUICE_ABI_VERSION);
	rc = check_sizes(callout, known, path, err);
	if (rc == 0)
		rc = check_texts(callout, path, err);
	if (rc != 0)
		return rc;
	if ((callout->flags & ~FLAGS_KNOWN) != 0)
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
			"the plugin has flags 0x%x, of which this program knows 0x%x",
			callout->flags, FLAGS_KNOWN);
	if (callout->classify == NULL)
		return sl_error_set(
			err, SL_ERR_PLUGIN_REFUSED, path, "the plugin has no classify function");
	if ((callout->flags & SLUICE_CALLOUT_FLAG_CONDITIONAL_ON_FLOW) != 0 &&
		callout->flow_delete == NULL)
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, path,
			"the plugin wants to be called for flows with a context alone, but cannot "
			"have "
			"one: it has no flow_delete function");
	return check_counters(callout->counters, path, err);
}
