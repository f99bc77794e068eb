/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/overlay.h"
#include "classifier/tables.h"

#include <inttypes.h>
#include <stdio.h>

/* What was compiled for a layer, and why, for people. */

struct facts {
	struct sl_program_fact *list;
	uint32_t n;
	uint32_t n_max;
};

static void
add_text(struct facts *facts, const char *name, const char *text)
{
	struct sl_program_fact *fact;

	if (facts->n == facts->n_max)
		return;
	fact = &facts->list[facts->n++];
	snprintf(fact->name, sizeof(fact->name), "%s", name);
	snprintf(fact->text, sizeof(fact->text), "%s", text);
}

static void
add_number(struct facts *facts, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	add_text(facts, name, text);
}

/*
 * Picoseconds a packet, measured like those of trees (score.c): packet and answer, a look-up, how much
 * more of that as tables fill the second-level cache, and lists that are joined one by one.
 */
#define PS_TABLES       2000u
#define PS_LOOK_UP      300u
#define PS_LOOK_UP_FULL 300u
#define PS_LISTS        20000u
#define FULL_BYTES      (1280u * 1024)

static uint32_t
expected_ps(const struct sl_program *program)
{
	const struct sl_tables *tables = program->tables;
	uint64_t look_up;

	if (tables == NULL)
		return program->expected_ps;
	look_up = SL_MIN(tables->table_bytes, (size_t)FULL_BYTES);
	look_up = PS_LOOK_UP + look_up * PS_LOOK_UP_FULL / FULL_BYTES;
	return PS_TABLES + tables->gathers * (uint32_t)look_up +
		(tables->answer == SL_TABLES_LISTS ? PS_LISTS : 0);
}

/* Why the program is what it is. */
static void
add_reason(struct facts *facts, const struct sl_program *program)
{
	const struct sl_tables *tables = program->tables;
	char text[sizeof(facts->list->text)];

	if (tables != NULL)
		snprintf(text, sizeof(text),
			"all boxes fit into %zu bytes of tables, %" PRIu32 " look-ups a packet",
			tables->table_bytes, tables->gathers);
	else if (program->n_boxes == 0)
		snprintf(text, sizeof(text), "no packet can match these filters");
	else if (program->n_parts == 0)
		snprintf(text, sizeof(text), "the filters look at no field");
	else
		snprintf(text, sizeof(text),
			"tables of all boxes would be too large, or take too long to build");
	add_text(facts, "reason", text);
}

static void
add_tables(struct facts *facts, const struct sl_tables *tables)
{
	static const char *const answers[] = {
		[SL_TABLES_ONE] = "a place",
		[SL_TABLES_FEW] = "a place by sublayer",
		[SL_TABLES_LISTS] = "a list of places",
	};

	add_number(facts, "look_ups", tables->gathers);
	add_number(facts, "table_groups", tables->n_groups);
	add_number(facts, "table_pairs", tables->n_pairs);
	add_number(facts, "table_cells", tables->n_cells);
	add_number(facts, "table_bytes", tables->table_bytes);
	add_text(facts, "table_answer", answers[tables->answer]);
}

/* Programs with tables have trees as well, for packets whose match has been removed since. */
static void
add_trees(struct facts *facts, const struct sl_program *program)
{
	add_number(facts, "trees", program->n_trees);
	add_number(facts, "leaves_visited_max", program->n_trees);
	add_number(facts, "depth", program->depth);
	add_number(facts, "branches", program->n_branches);
	add_number(facts, "blocks", program->n_blocks);
	add_number(facts, "leaf_max", program->leaf_max);
	add_number(facts, "boxes_placed", program->n_placed);
}

static void
add_changes(struct facts *facts, const struct sl_overlay *overlay)
{
	add_number(facts, "overlay_filters", overlay != NULL ? sl_overlay_added(overlay) : 0);
	add_number(facts, "tombstones", overlay != NULL ? sl_overlay_dead(overlay) : 0);
	add_number(facts, "overlay_bytes", overlay != NULL ? sl_overlay_bytes(overlay) : 0);
}

uint32_t
sl_program_facts(const struct sl_layer_program *layer, struct sl_program_fact *list, uint32_t n_max)
{
	const struct sl_program *program = layer->program;
	struct facts facts = {.list = list, .n_max = n_max};

	add_text(&facts, "structure", program->tables != NULL ? "tables" : "trees");
	add_reason(&facts, program);
	add_number(&facts, "expected_ns", (expected_ps(program) + 500) / 1000);
	add_text(&facts, "simd", sl_simd_name(program->simd));
	add_number(&facts, "boxes", program->n_boxes);
	add_number(&facts, "key_words", program->n_words);
	add_number(&facts, "matches_max", layer->matches_max);
	add_number(&facts, "filters_tested_whole", program->n_tested);
	add_number(&facts, "sets", program->n_sets);
	if (program->tables != NULL)
		add_tables(&facts, program->tables);
	add_trees(&facts, program);
	add_number(&facts, "compiled_bytes", program->bytes);
	add_changes(&facts, layer->overlay);
	return facts.n;
}
