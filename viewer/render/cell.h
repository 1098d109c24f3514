/* SPDX-License-Identifier: MIT */
/* cell - one cell of a report as people read it. */
#ifndef PYMEM_VIEWER_RENDER_CELL_H
#define PYMEM_VIEWER_RENDER_CELL_H

#include "viewer/report/table.h"

/* A cell as people read it; buf is used when needed. Screens use it too. */
#define CELL_TEXT_SIZE 40
const char *cell_human(const struct table *table, size_t row, size_t column,
		       char buf[CELL_TEXT_SIZE]);
/* The same of a known cell that isn't text. */
const char *cell_number_human(enum cell_type type, const struct cell *cell,
			      char buf[CELL_TEXT_SIZE]);

#endif
