/* SPDX-License-Identifier: MIT */
/* amount - see amount.h. */
#include "loader/base/amount.h"

#include <inttypes.h>
#include <stdio.h>

char *amount_bytes(char buf[24], uint64_t bytes)
{
	static const char *const units[] = {
		"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"
	};
	double v = (double)bytes;
	size_t u = 0;

	/* Three digits before the point at most: 999.95 would be written "1000.0". */
	while (v >= (u == 0 ? 1024.0 : 999.95) &&
	       u + 1 < sizeof(units) / sizeof(*units)) {
		v /= 1024;
		u++;
	}
	if (u == 0)
		snprintf(buf, 24, "%" PRIu64 " B", bytes);
	else
		snprintf(buf, 24, "%.1f %s", v, units[u]);
	return buf;
}

char *amount_count(char buf[32], uint64_t count)
{
	char digits[24];
	const int n = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	size_t used = 0;

	for (int i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			buf[used++] = ',';
		buf[used++] = digits[i];
	}
	buf[used] = '\0';
	return buf;
}

char *amount_time(char buf[24], uint64_t ns)
{
	if (ns < 1000)
		snprintf(buf, 24, "%u ns", (unsigned)ns);
	else if (ns < 1000000)
		snprintf(buf, 24, "%.0f us", (double)ns / 1e3);
	else if (ns < 1000000000)
		snprintf(buf, 24, "%.1f ms", (double)ns / 1e6);
	else
		snprintf(buf, 24, "%.2f s", (double)ns / 1e9);
	return buf;
}
