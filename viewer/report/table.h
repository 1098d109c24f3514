/* SPDX-License-Identifier: MIT */
/* table - what report_run does to a table once the report has filled it. */
#ifndef PYMEM_VIEWER_REPORT_TABLE_H
#define PYMEM_VIEWER_REPORT_TABLE_H

#include "viewer/report/report.h"

/* Applies filter, sort and limit (0 = none). Unknown cells sort last. 0 or -ENOMEM. */
int table_arrange(struct table *table, const struct report_params *params, size_t limit);

#endif
