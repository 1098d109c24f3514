/* SPDX-License-Identifier: MIT */
/*
 * gate - conditions that fail a build (--fail-if).
 *
 * A condition is an SQL expression that is true when the build is to fail, or a SELECT
 * that has rows then.  In it, two more functions compare the newest snapshot with the
 * one before, for the places whose path matches a GLOB pattern: growth(PATTERN) in
 * bytes, growth_count(PATTERN) in objects.  Sizes may have a unit (1MB = 1048576), and
 * text may stand in double quotes.
 */
#ifndef PYMEM_VIEWER_QUERY_GATE_H
#define PYMEM_VIEWER_QUERY_GATE_H

#include <stdio.h>

#include "viewer/query/engine.h"

enum gate_result { GATE_PASSED, GATE_FAILED, GATE_WRONG };

/*
 * Judges conditions one after the other and prints a line for each, or a JUnit document
 * for all of them; where one passed on an incomplete snapshot it says so.  GATE_WRONG:
 * one could not be judged, which is said on stderr, too.
 */
enum gate_result gate_judge(struct engine *engine, const char *const *conditions,
			    size_t count, bool junit, FILE *out);

#endif
