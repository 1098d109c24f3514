/* SPDX-License-Identifier: MIT */
/* html_budget - where the resident memory went: a bar of its parts, and the table. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/analysis/budget.h"
#include "viewer/html/html_part.h"
#include "viewer/html/markup.h"
#include "viewer/html/sheet.h"
#include "viewer/name/name.h"
#include "viewer/text/human.h"

enum { WIDTH = 1000, COLOURS = 8 };

static void html_budget_block(struct text *out, const struct budget_entry *e, double x,
			      double width, unsigned colour)
{
	char size[HUMAN_SIZE];

	text_add(out, "<g><title>");
	markup_add(out, budget_title(e));
	text_printf(out, ", %s</title><rect class=c%u x=%.2f y=0 width=%.2f height=30 />",
		    human_bytes_u64(size, e->size), colour, x, width);
	if (width > 70) {
		text_printf(out, "<text x=%.2f y=19>", x + 4);
		struct text cut = { 0 };
		const char *title = budget_title(e);

		/* "live objects: str" is read as "str" where there's little room */
		const char *colon = width < 160 ? strstr(title, ": ") : NULL;
		name_cut(&cut, colon ? colon + 2 : title, (size_t)(width / 7 - 1));
		markup_add(out, text_get(&cut));
		text_free(&cut);
		text_add(out, "</text>");
	}
	text_add(out, "</g>\n");
}

int html_budget_add(struct html_part *part)
{
	struct budget budget;
	double x = 0;
	int err = budget_make(part->process->heap, &budget);

	if (err)
		return err;
	if (budget.rss) {
		text_add(part->out, "<h3>Where the resident memory went</h3>\n");
		text_printf(part->out,
			    "<svg class=budget viewBox=\"0 0 %d 30\" role=img "
			    "aria-label=\"resident memory by use\">\n",
			    WIDTH);
		for (size_t i = 0; i < VEC_COUNT(budget.entries, struct budget_entry);
		     i++) {
			const struct budget_entry *e =
				VEC(budget.entries, struct budget_entry) + i;
			double width = (double)e->size / (double)budget.rss * WIDTH;

			if (width >= 0.5)
				html_budget_block(part->out, e, x, width, i % COLOURS);
			x += width;
		}
		text_add(part->out, "</svg>\n");
		err = sheet_add(part->out, &part->context, "budget", 40, &part->cards);
	}
	budget_free(&budget);
	return err ? err : part->out->err;
}
