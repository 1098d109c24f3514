/* SPDX-License-Identifier: MIT */
/*
 * account_text - the process's account in one line (account_text.h).
 *
 * All parts are written in the unit of the whole, with one decimal below 100; what the
 * last part, "other", says is what the numbers before it leave, so that they add up.
 */
#include "viewer/report/account_text.h"

#include <stdlib.h>
#include <string.h>

#include "viewer/name/describe.h"
#include "viewer/report/allocator_text.h"
#include "viewer/text/human.h"

/* Numbers in tenths or wholes of a unit. */
struct unit {
	const char *name;
	uint64_t bytes; /* of what is counted: a tenth of the unit, or the unit */
	bool tenths;
};

static struct unit account_text_unit(uint64_t whole)
{
	static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB" };
	uint64_t bytes = 1024;
	size_t i = 0;

	while (whole >= bytes * 1024 && i + 1 < sizeof(names) / sizeof(names[0])) {
		bytes *= 1024;
		i++;
	}
	struct unit unit = { names[i], bytes, whole < 100 * bytes };
	return unit;
}

static uint64_t account_text_rounded(struct unit unit, uint64_t bytes)
{
	uint64_t scale = unit.tenths ? 10 : 1;

	return (uint64_t)((double)bytes * (double)scale / (double)unit.bytes + 0.5);
}

static void account_text_number(struct text *out, struct unit unit, uint64_t number)
{
	char buf[HUMAN_SIZE];

	if (unit.tenths)
		text_printf(out, "%llu.%llu %s", (unsigned long long)number / 10,
			    (unsigned long long)number % 10, unit.name);
	else
		text_printf(out, "%s %s", human_count(buf, number), unit.name);
}

static void account_text_native(struct text *out, const struct heap *heap,
				const struct account_part *part)
{
	const struct heap_native *native = heap_native_at(heap, part->example);
	char buf[HUMAN_SIZE];

	if (native->owner < heap->objects &&
	    heap_kind(heap, native->owner) == SNAP_KIND_INT) {
		text_printf(out, " C memory that %s ints point to",
			    human_count(buf, part->count));
		return;
	}
	text_add(out, " ");
	describe_native_kind(out, heap, part->example);
	if (native->owner == HEAP_NONE)
		return;
	text_printf(out, " of %s ", human_count(buf, part->count));
	describe_short_type(out, heap, heap_type_of(heap, native->owner));
}

static void account_text_part(struct text *out, const struct heap *heap,
			      const struct account_part *part)
{
	static const char *const words[ACCOUNT_OTHER + 1] = {
		[ACCOUNT_OBJECTS] = " Python objects",
		[ACCOUNT_FREE] = " free in the allocators",
		[ACCOUNT_ROUNDING] = " rounding and heads of the allocators",
		[ACCOUNT_UNEXPLAINED] = " C allocations, unexplained",
		[ACCOUNT_CODE] = " code and libraries",
		[ACCOUNT_SHARED] = " shared memory",
		[ACCOUNT_STACKS] = " C stacks",
		[ACCOUNT_FRAMES] = " data stacks",
		[ACCOUNT_OTHER] = " other",
	};
	char buf[HUMAN_SIZE];

	if (part->kind == ACCOUNT_NATIVE)
		account_text_native(out, heap, part);
	else if (part->kind == ACCOUNT_FREE &&
		 part->count >= part->bytes - part->bytes / 10)
		text_printf(out, " free in %s", allocator_text_name(heap));
	else
		text_add(out, words[part->kind]);
	if (part->kind == ACCOUNT_STACKS && part->count)
		text_printf(out, " of %s thread%s", human_count(buf, part->count),
			    part->count == 1 ? "" : "s");
	if (part->kind == ACCOUNT_FRAMES && part->count)
		text_printf(out, " of %s Python frame%s", human_count(buf, part->count),
			    part->count == 1 ? "" : "s");
}

void account_text(struct text *out, const struct heap *heap,
		  const struct account *account)
{
	struct unit unit = account_text_unit(account->rss);
	uint64_t left = account_text_rounded(unit, account->rss);

	if (!account->rss)
		return;
	account_text_number(out, unit, left);
	text_add(out, " resident");
	for (unsigned i = 0; i < account->parts; i++) {
		const struct account_part *part = &account->part[i];
		uint64_t number = account_text_rounded(unit, part->bytes);

		if (number > left || i + 1 == account->parts)
			number = left;
		left -= number;
		if (!number)
			continue;
		text_add(out, i ? ", " : ": ");
		account_text_number(out, unit, number);
		account_text_part(out, heap, part);
	}
}
