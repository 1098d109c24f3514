/* SPDX-License-Identifier: MIT */
/*
 * metrics - summaries as OpenMetrics text, for the node exporter's textfile collector and
 * whatever else scrapes.
 *
 * Gauges, with the labels host, pid, command, python and what a row is of.  No two lines
 * have the same labels: rows that do are added up, and of several summaries of a process
 * the last counts.
 */
#ifndef PYMEM_VIEWER_FLEET_METRICS_H
#define PYMEM_VIEWER_FLEET_METRICS_H

#include <jansson.h>
#include <stdio.h>

/* list: an array of summaries (summary.h), which may be anybody's. 0 or -ENOMEM. */
int metrics_write(FILE *out, const json_t *list);

#endif
