/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/overlay.h"

#include "classifier/part.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t
dead_words(const struct sl_layer_program *layer, uint32_t level)
{
	return (sl_level_size(layer, level) + (size_t)63) / 64;
}

/* Room for an overlay and a bit for every filter of the layer, in one piece. NULL: no memory. */
static struct sl_overlay *
new_overlay(const struct sl_layer_program *layer)
{
	struct sl_overlay *overlay;
	size_t n_words = 0;
	uint64_t *words;

	for (uint32_t level = 0; level < SL_LEVELS; level++)
		n_words += dead_words(layer, level);
	overlay = malloc(sizeof(*overlay) + n_words * sizeof(*words));
	if (overlay == NULL)
		return NULL;
	memset(overlay, 0, sizeof(*overlay));
	overlay->bytes = sizeof(*overlay) + n_words * sizeof(*words);
	words = (void *)(overlay + 1);
	for (uint32_t level = 0; level < SL_LEVELS; level++) {
		overlay->room[level] = words;
		words += dead_words(layer, level);
	}
	return overlay;
}

static void
take_over(struct sl_overlay *overlay, const struct sl_layer_program *layer, uint32_t level)
{
	const struct sl_overlay *from = layer->overlay;

	if (from->parts[level] != NULL)
		overlay->parts[level] = sl_part_get(from->parts[level]);
	if (from->dead[level] == NULL)
		return;
	overlay->dead[level] = overlay->room[level];
	overlay->n_dead[level] = from->n_dead[level];
	memcpy(overlay->dead[level], from->dead[level],
		dead_words(layer, level) * sizeof(*overlay->dead[level]));
}

struct sl_overlay *
sl_overlay_copy(const struct sl_layer_program *layer)
{
	struct sl_overlay *overlay = new_overlay(layer);

	if (overlay == NULL || layer->overlay == NULL)
		return overlay;
	overlay->n_changes = layer->overlay->n_changes;
	if (layer->overlay->screen != NULL) {
		overlay->screen = sl_screen_new(NULL, 0, layer->overlay->screen);
		if (overlay->screen == NULL) {
			free(overlay);
			return NULL;
		}
	}
	for (uint32_t level = 0; level < SL_LEVELS; level++)
		take_over(overlay, layer, level);
	return overlay;
}

void
sl_overlay_kill(const struct sl_layer_program *layer, struct sl_overlay *overlay, uint32_t level,
	uint32_t place)
{
	if (overlay->dead[level] == NULL) {
		overlay->dead[level] = overlay->room[level];
		memset(overlay->dead[level], 0,
			dead_words(layer, level) * sizeof(*overlay->dead[level]));
	}
	overlay->dead[level][place / 64] |= (uint64_t)1 << place % 64;
	overlay->n_dead[level]++;
	overlay->n_changes++;
}

static void
drop_part(struct sl_overlay *overlay, uint32_t level)
{
	if (overlay->parts[level] == NULL)
		return;
	sl_part_put(overlay->parts[level]);
	overlay->parts[level] = NULL;
	overlay->dead[level] = NULL;
	overlay->n_dead[level] = 0;
	sl_screen_clear(overlay->screen, sl_level_bits(level));
}

int
sl_overlay_put_part(const struct sl_layer_program *layer, struct sl_overlay *overlay,
	uint32_t level, struct sl_part *part)
{
	for (uint32_t i = level; i < SL_LEVELS; i++)
		drop_part(overlay, i);
	overlay->parts[level] = part;
	if (overlay->screen == NULL)
		overlay->screen =
			sl_screen_new(&layer->store->screen_plan, layer->store->n_base, NULL);
	if (overlay->screen == NULL)
		return -ENOMEM;
	sl_screen_fill(overlay->screen, sl_level_bits(level), part->sieve);
	return 0;
}

void
sl_overlay_tidy(struct sl_overlay *overlay)
{
	uint32_t n_parts = 0;

	for (uint32_t level = 1; level < SL_LEVELS; level++) {
		if (overlay->parts[level] != NULL &&
			overlay->parts[level]->n == overlay->n_dead[level])
			drop_part(overlay, level);
		n_parts += overlay->parts[level] != NULL;
	}
	if (n_parts > 0)
		return;
	free(overlay->screen);
	overlay->screen = NULL;
}

bool
sl_overlay_is_empty(const struct sl_overlay *overlay)
{
	return sl_overlay_added(overlay) == 0 && sl_overlay_dead(overlay) == 0;
}

void
sl_overlay_free(const struct sl_overlay *overlay)
{
	if (overlay == NULL)
		return;
	for (uint32_t level = 0; level < SL_LEVELS; level++)
		sl_part_put(overlay->parts[level]);
	free(overlay->screen);
	free((void *)(uintptr_t)overlay);
}

size_t
sl_overlay_bytes(const struct sl_overlay *overlay)
{
	size_t bytes = overlay->bytes + (overlay->screen == NULL ? 0 : sizeof(*overlay->screen));

	for (uint32_t level = 0; level < SL_LEVELS; level++)
		bytes += overlay->parts[level] == NULL ? 0 : overlay->parts[level]->bytes;
	return bytes;
}

uint32_t
sl_overlay_added(const struct sl_overlay *overlay)
{
	uint32_t n = 0;

	for (uint32_t level = 1; level < SL_LEVELS; level++) {
		if (overlay->parts[level] != NULL)
			n += overlay->parts[level]->n - overlay->n_dead[level];
	}
	return n;
}

uint32_t
sl_overlay_dead(const struct sl_overlay *overlay)
{
	uint32_t n = 0;

	for (uint32_t level = 0; level < SL_LEVELS; level++)
		n += overlay->n_dead[level];
	return n;
}
