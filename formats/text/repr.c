/* SPDX-License-Identifier: MIT */
/*
 * repr - a float as Python prints it (repr.h).
 *
 * printf rounds to as many digits as it is asked for, and the fewest that read back are
 * asked for.  Up to 15 always do if any shorter ones do, and %g leaves out the zeros
 * at their end; subnormal numbers have fewer, so they begin with one.  Two things are
 * different in Python: %g with 17 digits writes the first numbers that have an exponent
 * without one; and of a power of two the numbers below it are nearer than those above,
 * so 16 digits may read back that aren't the nearest ones.
 */
#include "formats/text/repr.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEWEST = 15, MOST = 17 };

/* A power of two by 16 digits that aren't the nearest but the next ones, farther from
 * zero.  (Where the last of the nearest is a nine, as of 89 powers, they never do.) */
static bool repr_power_of_two(char out[REPR_FLOAT_MAX], double value)
{
	int exponent;

	snprintf(out, REPR_FLOAT_MAX, "%.*e", MOST - 2, value);
	char *const last = out + strcspn(out, "e") - 1;
	if (fabs(frexp(value, &exponent)) != 0.5 || *last == '9')
		return false;
	(*last)++;
	return strtod(out, NULL) == value;
}

void repr_float(char out[REPR_FLOAT_MAX], double value)
{
	const double size = fabs(value);
	int digits = size < DBL_MIN ? 1 : FEWEST;

	if (!isfinite(value)) {
		strcpy(out, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
		return;
	}
	if (size < 1e16 && (double)(int64_t)value == value) {
		snprintf(out, REPR_FLOAT_MAX, "%.1f", value);
		return;
	}
	for (; digits < MOST; digits++) {
		snprintf(out, REPR_FLOAT_MAX, "%.*g", digits, value);
		if (strtod(out, NULL) == value)
			return;
	}
	if (!repr_power_of_two(out, value))
		snprintf(out, REPR_FLOAT_MAX, size >= 1e16 ? "%.16e" : "%.17g", value);
}
