/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/trie.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIGIT_BITS 5u
#define BRANCHES   (1u << DIGIT_BITS)
#define IS_NODE    ((uintptr_t)1)

struct node {
	uint32_t n_users;         /* atomic */
	uint32_t present;         /* bit i: there is a branch for the digit i */
	uint32_t shift;           /* of that digit */
	struct trie_slot slots[]; /* of the branches there are, ascending; room: see room_for */
};

static bool
is_node(const struct trie_slot *slot)
{
	return (slot->ref & IS_NODE) != 0;
}

static struct node *
node_of(const struct trie_slot *slot)
{
	return (struct node *)(slot->ref & ~IS_NODE);
}

static struct sl_object *
object_of(const struct trie_slot *slot)
{
	return (struct sl_object *)slot->ref;
}

static uint32_t
digit_of(uint64_t number, uint32_t shift)
{
	return (uint32_t)(number >> shift) & (BRANCHES - 1);
}

/* The bits that a node and everything below it tell apart. */
static uint64_t
bits_below(uint32_t shift)
{
	return shift + DIGIT_BITS >= 64 ? UINT64_MAX : (UINT64_C(1) << (shift + DIGIT_BITS)) - 1;
}

static uint32_t
count(const struct node *node)
{
	return (uint32_t)__builtin_popcount(node->present);
}

/* Where the branch for a digit is, or would go. */
static uint32_t
place_of(const struct node *node, uint32_t digit)
{
	return (uint32_t)__builtin_popcount(node->present & ((UINT32_C(1) << digit) - 1));
}

static bool
has_digit(const struct node *node, uint32_t digit)
{
	return (node->present >> digit & 1) != 0;
}

/* True when the number belongs below that node. */
static bool
covers(const struct trie_slot *slot, uint64_t number)
{
	return ((slot->number ^ number) & ~bits_below(node_of(slot)->shift)) == 0;
}

/* --- Nodes. --- */

/* A node has room for as many branches as the next power of two says. */
static uint32_t
room_for(uint32_t n)
{
	uint32_t room = 2;

	while (room < n)
		room *= 2;
	return room;
}

static size_t
size_of(uint32_t n)
{
	return sizeof(struct node) + room_for(n) * sizeof(struct trie_slot);
}

static void
slot_get(const struct trie *trie, const struct trie_slot *slot)
{
	if (is_node(slot))
		__atomic_add_fetch(&node_of(slot)->n_users, 1, __ATOMIC_RELAXED);
	else if (trie->holds && slot->ref != 0)
		sl_object_get(object_of(slot));
}

static void
slot_put(const struct trie *trie, const struct trie_slot *slot)
{
	struct node *node = node_of(slot);

	if (!is_node(slot)) {
		if (trie->holds)
			sl_object_put(object_of(slot));
		return;
	}
	if (__atomic_sub_fetch(&node->n_users, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (uint32_t i = 0; i < count(node); i++)
		slot_put(trie, &node->slots[i]);
	free(node);
}

/* Makes the node of a slot, which itself may be written to, one that may be written to. */
static int
own(const struct trie *trie, struct trie_slot *slot)
{
	struct node *node = node_of(slot);
	struct node *copy;

	/* Nobody can begin to use a node of a map that is being written to. */
	if (__atomic_load_n(&node->n_users, __ATOMIC_ACQUIRE) == 1)
		return 0;
	copy = malloc(size_of(count(node)));
	if (copy == NULL)
		return -ENOMEM;
	copy->n_users = 1;
	copy->present = node->present;
	copy->shift = node->shift;
	for (uint32_t i = 0; i < count(node); i++) {
		copy->slots[i] = node->slots[i];
		slot_get(trie, &copy->slots[i]);
	}
	slot_put(trie, slot);
	slot->ref = (uintptr_t)copy | IS_NODE;
	return 0;
}

/* Puts a node in place of a branch: for the branch itself, and for a number that is not below it. */
static int
split(struct trie_slot *slot, uint64_t number, struct sl_object *object)
{
	const uint64_t difference = slot->number ^ number;
	const uint32_t top = 63 - (uint32_t)__builtin_clzll(difference);
	const struct trie_slot new = {.number = number, .ref = (uintptr_t)object};
	struct node *node = malloc(size_of(2));

	if (node == NULL)
		return -ENOMEM;
	node->n_users = 1;
	node->shift = top / DIGIT_BITS * DIGIT_BITS;
	node->present = UINT32_C(1) << digit_of(slot->number, node->shift) |
		UINT32_C(1) << digit_of(number, node->shift);
	node->slots[slot->number > number] = *slot;
	node->slots[slot->number < number] = new;
	*slot = (struct trie_slot){
		.number = number & ~bits_below(node->shift), .ref = (uintptr_t)node | IS_NODE};
	return 0;
}

/* Adds a branch to the node of a slot, which is owned. */
static int
extend(struct trie_slot *slot, uint64_t number, struct sl_object *object)
{
	struct node *node = node_of(slot);
	const uint32_t n = count(node);
	const uint32_t digit = digit_of(number, node->shift);
	const uint32_t at = place_of(node, digit);

	/* It may be full when the count is a power of two, and not otherwise. */
	if (n == room_for(n)) {
		node = realloc(node, size_of(n + 1));
		if (node == NULL)
			return -ENOMEM;
		slot->ref = (uintptr_t)node | IS_NODE;
	}
	memmove(&node->slots[at + 1], &node->slots[at], (n - at) * sizeof(node->slots[0]));
	node->slots[at] = (struct trie_slot){.number = number, .ref = (uintptr_t)object};
	node->present |= UINT32_C(1) << digit;
	return 0;
}

/* --- Life. --- */

void
sl_trie_share(const struct trie *from, struct trie *to)
{
	*to = *from;
	slot_get(to, &to->root);
}

void
sl_trie_drop(struct trie *trie)
{
	slot_put(trie, &trie->root);
	trie->root = (struct trie_slot){0};
}

/* --- Reading. --- */

struct sl_object *
sl_trie_find(const struct trie *trie, uint64_t number)
{
	const struct trie_slot *slot = &trie->root;

	while (is_node(slot)) {
		const struct node *node = node_of(slot);
		const uint32_t digit = digit_of(number, node->shift);

		if (!has_digit(node, digit))
			return NULL;
		slot = &node->slots[place_of(node, digit)];
	}
	return slot->number == number ? object_of(slot) : NULL;
}

static struct sl_object *
next(const struct trie_slot *slot, uint64_t number)
{
	const struct node *node = node_of(slot);
	uint32_t at = 0;

	if (!is_node(slot))
		return slot->number >= number ? object_of(slot) : NULL;
	if (covers(slot, number))
		at = place_of(node, digit_of(number, node->shift));
	else if (slot->number < number)
		return NULL;
	for (; at < count(node); at++) {
		struct sl_object *object = next(&node->slots[at], number);

		if (object != NULL)
			return object;
	}
	return NULL;
}

struct sl_object *
sl_trie_next(const struct trie *trie, uint64_t number)
{
	return next(&trie->root, number);
}

/* --- Changing. --- */

int
sl_trie_own(struct trie *trie, uint64_t number)
{
	struct trie_slot *slot = &trie->root;

	while (is_node(slot)) {
		struct node *node;

		if (own(trie, slot) != 0)
			return -ENOMEM;
		node = node_of(slot);
		slot = &node->slots[place_of(node, digit_of(number, node->shift))];
	}
	return 0;
}

int
sl_trie_add(struct trie *trie, uint64_t number, struct sl_object *object)
{
	struct trie_slot *slot = &trie->root;

	while (is_node(slot) && covers(slot, number)) {
		struct node *node;
		uint32_t digit;

		if (own(trie, slot) != 0)
			return -ENOMEM;
		node = node_of(slot);
		digit = digit_of(number, node->shift);
		if (!has_digit(node, digit))
			return extend(slot, number, object);
		slot = &node->slots[place_of(node, digit)];
	}
	if (slot->ref != 0)
		return split(slot, number, object);
	*slot = (struct trie_slot){.number = number, .ref = (uintptr_t)object};
	return 0;
}

void
sl_trie_set(struct trie *trie, uint64_t number, struct sl_object *object)
{
	struct trie_slot *slot = &trie->root;

	while (is_node(slot)) {
		struct node *node = node_of(slot);

		slot = &node->slots[place_of(node, digit_of(number, node->shift))];
	}
	slot_put(trie, slot);
	slot->ref = (uintptr_t)object;
}

void
sl_trie_remove(struct trie *trie, uint64_t number)
{
	struct trie_slot *parent = NULL;
	struct trie_slot *slot = &trie->root;
	struct node *node;
	uint32_t at;

	while (is_node(slot)) {
		node = node_of(slot);
		parent = slot;
		slot = &node->slots[place_of(node, digit_of(number, node->shift))];
	}
	slot_put(trie, slot);
	if (parent == NULL) {
		*slot = (struct trie_slot){0};
		return;
	}
	node = node_of(parent);
	at = (uint32_t)(slot - node->slots);
	memmove(slot, slot + 1, (count(node) - at - 1) * sizeof(*slot));
	node->present &= ~(UINT32_C(1) << digit_of(number, node->shift));
	if (count(node) > 1)
		return;
	*parent = node->slots[0];
	free(node);
}

/* --- Differences. --- */

struct diff {
	sl_trie_diff_fn *fn;
	void *ctx;
};

static const struct trie_slot nothing;

static int
diff_slots(const struct diff *diff, const struct trie_slot *before, const struct trie_slot *after);

/* The branch of a node for a digit, or nothing. */
static const struct trie_slot *
branch_of(const struct trie_slot *slot, uint32_t digit)
{
	const struct node *node = node_of(slot);

	return has_digit(node, digit) ? &node->slots[place_of(node, digit)] : &nothing;
}

/*
 * What of a slot belongs into the branch for `digit` of a node at `number`: a slot that is not such a
 * node lies below one of its branches whole.
 */
static const struct trie_slot *
part_of(const struct trie_slot *slot, const struct trie_slot *of, uint32_t digit)
{
	const uint32_t shift = node_of(of)->shift;

	if (is_node(slot) && node_of(slot)->shift == shift)
		return branch_of(slot, digit);
	return slot->ref != 0 && digit_of(slot->number, shift) == digit ? slot : &nothing;
}

/* `of` is the one of both that stands highest: the other lies within it. */
static int
diff_branches(const struct diff *diff, const struct trie_slot *before,
	const struct trie_slot *after, const struct trie_slot *of)
{
	int rc = 0;

	for (uint32_t digit = 0; digit < BRANCHES && rc == 0; digit++)
		rc = diff_slots(diff, part_of(before, of, digit), part_of(after, of, digit));
	return rc;
}

static int
diff_disjoint(
	const struct diff *diff, const struct trie_slot *before, const struct trie_slot *after)
{
	int rc;

	if (before->number < after->number) {
		rc = diff_slots(diff, before, &nothing);
		return rc != 0 ? rc : diff_slots(diff, &nothing, after);
	}
	rc = diff_slots(diff, &nothing, after);
	return rc != 0 ? rc : diff_slots(diff, before, &nothing);
}

/* True when everything in `b` is of the numbers that `a` may have. */
static bool
contains(const struct trie_slot *a, const struct trie_slot *b)
{
	if (!is_node(a) || (is_node(b) && node_of(b)->shift > node_of(a)->shift))
		return false;
	return b->ref == 0 || covers(a, b->number);
}

static int
diff_slots(const struct diff *diff, const struct trie_slot *before, const struct trie_slot *after)
{
	if (before->ref == after->ref)
		return 0;
	if (contains(before, after))
		return diff_branches(diff, before, after, before);
	if (contains(after, before))
		return diff_branches(diff, before, after, after);
	if (before->ref != 0 && after->ref != 0 && before->number != after->number)
		return diff_disjoint(diff, before, after);
	return diff->fn(diff->ctx, object_of(before), object_of(after));
}

int
sl_trie_diff(const struct trie *before, const struct trie *after, sl_trie_diff_fn *fn, void *ctx)
{
	const struct diff diff = {.fn = fn, .ctx = ctx};

	return diff_slots(&diff, &before->root, &after->root);
}
