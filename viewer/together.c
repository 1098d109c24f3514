/* SPDX-License-Identifier: MIT */
/* together - see together.h. */
#include "viewer/together.h"

#include <inttypes.h>

#include "formats/text/print.h"
#include "viewer/text/human.h"

struct together {
	uint64_t resident, private, shared; /* bytes of one process */
};

static uint64_t together_pss(const struct process *p)
{
	return heap_fact_u64(p->heap, "memory.pss", 0);
}

uint64_t together_total(const struct workspace *w)
{
	uint64_t sum = 0;
	uint32_t known = 0;

	for (uint32_t i = 0; i < w->count; i++) {
		const uint64_t pss = together_pss(w->process[i]);

		for (uint32_t k = 0; k < i && pss; k++)
			if (process_pid(w->process[i]) == process_pid(w->process[k]))
				return 0;
		known += pss != 0;
		sum += pss;
	}
	return known > 1 ? sum : 0;
}

/* False: not known. */
static bool together_of(const struct process *p, struct together *ret)
{
	ret->resident = heap_fact_u64(p->heap, "memory.rss", 0);
	ret->private = heap_fact_u64(p->heap, "memory.private", 0);
	if (!together_pss(p) || ret->private > ret->resident)
		return false;
	ret->shared = ret->resident - ret->private;
	return true;
}

void together_text(struct text *out, const struct process *p)
{
	char own[HUMAN_SIZE], shared[HUMAN_SIZE];
	struct together t;

	if (together_of(p, &t))
		text_printf(out, "%s of its own, %s shared with others",
			    human_bytes_u64(own, t.private),
			    human_bytes_u64(shared, t.shared));
}

void together_title(struct text *out, const struct workspace *w)
{
	const uint64_t total = together_total(w);
	char size[HUMAN_SIZE];
	uint32_t known = 0;

	for (uint32_t i = 0; i < w->count; i++)
		known += together_pss(w->process[i]) != 0;
	if (total)
		text_printf(out,
			    "memory of %" PRIu32
			    " processes: %s together, shared memory in equal parts",
			    known, human_bytes_u64(size, total));
}

void together_print(FILE *out, const struct workspace *w)
{
	char rss[HUMAN_SIZE], own[HUMAN_SIZE], shared[HUMAN_SIZE];
	struct text title = { 0 };
	struct together t;

	together_title(&title, w);
	if (text_len(&title)) {
		print_format(out, "%s\n  %-9s %12s %12s %12s\n", text_get(&title),
			     "process", "resident", "its own", "shared");
		for (uint32_t i = 0; i < w->count; i++)
			if (together_of(w->process[i], &t))
				print_format(out, "  %-9" PRIu64 " %12s %12s %12s\n",
					     process_pid(w->process[i]),
					     human_bytes_u64(rss, t.resident),
					     human_bytes_u64(own, t.private),
					     human_bytes_u64(shared, t.shared));
		print_lines(out, "\n");
	}
	text_free(&title);
}
