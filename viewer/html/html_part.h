/* SPDX-License-Identifier: MIT */
/* html_part - a process's part of the page: what its writers share (html.h). */
#ifndef PYMEM_VIEWER_HTML_HTML_PART_H
#define PYMEM_VIEWER_HTML_HTML_PART_H

#include "viewer/html/card.h"
#include "viewer/workspace.h"

struct html_part {
	struct workspace *workspace;
	struct process *process;
	const struct progress *progress;
	struct report_context context;
	uint32_t number, of; /* of its process on the page, from 1; how many */
	struct card_set cards;
	struct text *out;
};

/* Appends a process's part.  0, -ENOMEM, -ECANCELED. */
int html_part_write(struct html_part *s);
/* Appends "process 4242: python3 shop.py", not escaped for HTML. */
void html_part_title(struct text *out, const struct process *process);
/* Appends where the resident memory went, as a bar and a table. */
int html_budget_add(struct html_part *part);

#endif
