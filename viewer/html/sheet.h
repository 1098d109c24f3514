/* SPDX-License-Identifier: MIT */
/*
 * sheet - a report's table as an HTML table.
 *
 * Cells that are numbers carry the plain number for the script to sort by (data-v).  A
 * row about an object that has a card links to it.
 */
#ifndef PYMEM_VIEWER_HTML_SHEET_H
#define PYMEM_VIEWER_HTML_SHEET_H

#include "viewer/html/card.h"
#include "viewer/report/report.h"
#include "viewer/text/text.h"

/*
 * Appends the report of that name with at most limit rows, its notes, and what was left
 * out.  cards may be NULL.  A report without rows appends nothing.  0, -ENOMEM,
 * -ECANCELED.
 */
int sheet_add(struct text *out, const struct report_context *context, const char *name,
	      size_t limit, const struct card_set *cards);

#endif
