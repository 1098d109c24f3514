/* SPDX-License-Identifier: MIT */
/* budget_bar - where the resident memory went, as one bar with a legend. */
#ifndef PYMEM_VIEWER_SCREEN_BUDGET_BAR_H
#define PYMEM_VIEWER_SCREEN_BUDGET_BAR_H

#include "viewer/report/report.h"
#include "viewer/screen/surface.h"

/* Draws the table of the report `budget` into r (1 line bar, the rest legend); returns
 * the lines used, 0 when there is nothing to show. */
int budget_bar_draw(struct surface *s, struct rect r, const struct table *budget);

#endif
