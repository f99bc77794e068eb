/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Preloaded into the daemon: from the first SIGUSR1 to the next, one allocation in FAILING_MEMORY of the
 * threads that serve clients fails.  The main thread and the packet plane keep theirs: this is a test of the
 * interface.
 */

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

typedef void *malloc_fn(size_t size);
typedef void *calloc_fn(size_t n, size_t size);
typedef void *realloc_fn(void *memory, size_t size);
typedef void free_fn(void *memory);

static malloc_fn *real_malloc;
static calloc_fn *real_calloc;
static realloc_fn *real_realloc;
static free_fn *real_free;
static unsigned int rate;
static volatile sig_atomic_t is_on;
static bool is_looking; /* dlsym is at work, and may want memory itself */
static char early[65536];
static size_t early_used;

static void
toggle(int signal)
{
	(void)signal;
	is_on = !is_on;
}

static void
look(void)
{
	if (real_free != NULL || is_looking)
		return;
	is_looking = true;
	real_malloc = (malloc_fn *)dlsym(RTLD_NEXT, "malloc");
	real_calloc = (calloc_fn *)dlsym(RTLD_NEXT, "calloc");
	real_realloc = (realloc_fn *)dlsym(RTLD_NEXT, "realloc");
	real_free = (free_fn *)dlsym(RTLD_NEXT, "free");
	is_looking = false;
}

__attribute__((constructor)) static void
start(void)
{
	const char *text = getenv("FAILING_MEMORY");

	look();
	rate = text != NULL ? (unsigned int)strtoul(text, NULL, 10) : 0;
	signal(SIGUSR1, toggle);
}

static bool
serves_clients(void)
{
	static const char *const others[] = {"rte", "eal", "dpdk", "telemetry"};
	char name[17] = "";

	prctl(PR_GET_NAME, name);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strncmp(name, others[i], strlen(others[i])) == 0)
			return false;
	return getpid() != gettid();
}

static bool
fails(void)
{
	static _Thread_local int decided; /* 0: not yet, 1: may fail, 2: never fails */
	static _Thread_local unsigned int state;

	if (!is_on || rate == 0)
		return false;
	if (decided == 0)
		decided = serves_clients() ? 1 : 2;
	if (decided == 2)
		return false;
	state = state * 1103515245u + 12345u;
	if ((state >> 8) % rate != 0)
		return false;
	errno = ENOMEM;
	return true;
}

static void *
take_early(size_t size)
{
	void *memory = &early[early_used];

	early_used += (size + 15) & ~(size_t)15;
	return early_used <= sizeof(early) ? memory : NULL;
}

static bool
is_early(const void *memory)
{
	return (const char *)memory >= early && (const char *)memory < early + sizeof(early);
}

__attribute__((visibility("default"))) void *
malloc(size_t size)
{
	look();
	if (real_malloc == NULL)
		return take_early(size);
	return fails() ? NULL : real_malloc(size);
}

__attribute__((visibility("default"))) void *
calloc(size_t n, size_t size)
{
	look();
	if (real_calloc == NULL)
		return take_early(n * size);
	return fails() ? NULL : real_calloc(n, size);
}

__attribute__((visibility("default"))) void *
realloc(void *memory, size_t size)
{
	look();
	return fails() ? NULL : real_realloc(memory, size);
}

__attribute__((visibility("default"))) void
free(void *memory)
{
	look();
	if (!is_early(memory) && real_free != NULL)
		real_free(memory);
}
