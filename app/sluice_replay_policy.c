/* SPDX-License-Identifier: BSD-3-Clause */
#include "sluice_replay.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- Plugins. --- */

static void
warn_of_plugin(void *ctx, const struct sl_error *err)
{
	(void)ctx;
	replay_warn("%s%s%s", err->where, err->where[0] == '\0' ? "" : ": ", err->text);
}

static int
load_plugins_of(struct replay_policies *policies, const char *dir)
{
	struct sl_error err;

	if (sl_callout_load_dir(policies->registry, dir, warn_of_plugin, NULL, &err) == 0)
		return 0;
	return replay_fail("--plugins: %s: %s", dir, err.text);
}

static bool
is_directory(const char *path)
{
	struct stat stat_of;

	return stat(path, &stat_of) == 0 && S_ISDIR(stat_of.st_mode);
}

/* The plugins that belong to this program: beside it in a build folder, else where they are installed. */
static bool
find_plugins(char dir[PATH_MAX])
{
	static const char *const beside[] = {"callouts", "../callouts"};
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[SL_MAX(len, 0)] = '\0';
	for (size_t i = 0; len > 0 && i < SL_ARRAY_LEN(beside); i++) {
		char copy[PATH_MAX];

		memcpy(copy, exe, sizeof(copy));
		if (snprintf(dir, PATH_MAX, "%s/%s", dirname(copy), beside[i]) < PATH_MAX &&
			is_directory(dir))
			return true;
	}
	snprintf(dir, PATH_MAX, "%s", SLUICE_CALLOUT_DIR);
	return is_directory(dir);
}

static int
load_plugins(struct replay_policies *policies, const struct replay_options *options)
{
	char dir[PATH_MAX];

	if (sl_callout_registry_new(1, &policies->registry) != 0)
		return replay_fail("out of memory");
	for (uint32_t i = 0; i < options->n_plugin_dirs; i++) {
		if (load_plugins_of(policies, options->plugin_dirs[i]) != 0)
			return -1;
	}
	if (options->n_plugin_dirs == 0 && find_plugins(dir))
		return load_plugins_of(policies, dir);
	return 0;
}

static void
warn_of_missing(const struct app_policy *policy, const char *path)
{
	const struct sl_callout_object *callout;

	for (size_t i = 0; (callout = app_policy_missing_plugin(policy, i)) != NULL; i++)
		replay_warn("%s: callout \"%s\" names the plugin \"%s\", which is not loaded: its "
			    "filters fail closed",
			path, callout->object.key, callout->plugin);
}

/* --- Policies. --- */

static int
load_policy(struct replay_policies *policies, const char *path)
{
	struct app_policy *policy = &policies->list[policies->n];
	struct sl_problems problems = {0};
	int rc;

	rc = policies->n == 0 ? app_policy_load(policy, path, policies->registry, &problems)
			      : app_policy_load_next(policy, path, policy - 1, &problems);
	replay_say_problems(path, &problems);
	if (rc != 0)
		return -1;
	policies->n++;
	warn_of_missing(policy, path);
	return 0;
}

int
replay_policies_load(struct replay_policies *policies, const struct replay_options *options)
{
	int rc = load_plugins(policies, options);

	if (rc == 0)
		rc = load_policy(policies, options->policy);
	for (uint32_t i = 0; rc == 0 && i < options->n_changes; i++)
		rc = load_policy(policies, options->changes[i].path);
	return rc;
}

int
replay_policies_schedule(
	struct replay_policies *policies, const struct replay_options *options, uint64_t start_ns)
{
	const struct replay_change *change;

	for (uint32_t i = 1; i < policies->n; i++) {
		change = &options->changes[i - 1];
		policies->from_ns[i] = change->time_ns + (change->is_relative ? start_ns : 0);
		if (policies->from_ns[i] < policies->from_ns[i - 1])
			return replay_fail("--policy-at: %s comes before %s, which is given first: "
					   "give them in the order of time",
				change->path, options->changes[i - 2].path);
	}
	return 0;
}

void
replay_policies_free(struct replay_policies *policies)
{
	while (policies->n > 0)
		app_policy_free(&policies->list[--policies->n]);
	sl_callout_registry_free(policies->registry);
}
