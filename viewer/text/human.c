/* SPDX-License-Identifier: MIT */
/* human - numbers made readable (human.h). */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "viewer/text/human.h"

static const char *human_scaled(char buf[HUMAN_SIZE], uint64_t bytes, const char *sign)
{
	static const char *const units[] = {
		"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"
	};
	double value = (double)bytes;
	size_t unit = 0;

	/* 1022.27 KiB is 1.00 MiB; 999.995 would print as 1000.00 */
	while (value >= (unit ? 999.995 : 1024) &&
	       unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	if (unit == 0)
		snprintf(buf, HUMAN_SIZE, "%s%u B", sign, (unsigned)bytes);
	else
		snprintf(buf, HUMAN_SIZE, "%s%.2f %s", sign, value, units[unit]);
	return buf;
}

static uint64_t human_magnitude(int64_t value)
{
	return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

const char *human_bytes_u64(char buf[HUMAN_SIZE], uint64_t bytes)
{
	return human_scaled(buf, bytes, "");
}

const char *human_bytes(char buf[HUMAN_SIZE], int64_t bytes)
{
	return human_scaled(buf, human_magnitude(bytes), bytes < 0 ? "-" : "");
}

const char *human_bytes_diff(char buf[HUMAN_SIZE], int64_t bytes)
{
	return human_scaled(buf, human_magnitude(bytes),
			    bytes < 0	      ? "-" :
				    bytes > 0 ? "+" :
						"");
}

static const char *human_grouped(char buf[HUMAN_SIZE], uint64_t count, const char *sign)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count),
	    out = 0;

	out = snprintf(buf, HUMAN_SIZE, "%s", sign);
	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			buf[out++] = ',';
		buf[out++] = digits[i];
	}
	buf[out] = '\0';
	return buf;
}

const char *human_count(char buf[HUMAN_SIZE], uint64_t count)
{
	return human_grouped(buf, count, "");
}

const char *human_count_diff(char buf[HUMAN_SIZE], int64_t count)
{
	return human_grouped(buf, human_magnitude(count),
			     count < 0	       ? "-" :
				     count > 0 ? "+" :
						 "");
}

const char *human_integer(char buf[HUMAN_SIZE], int64_t number)
{
	return human_grouped(buf, human_magnitude(number), number < 0 ? "-" : "");
}

const char *human_share(char buf[HUMAN_SIZE], double ratio)
{
	double percent = 100 * ratio;

	if (percent > 99.94 && percent < 100)
		snprintf(buf, HUMAN_SIZE, "%.4f %%", floor(percent * 1e4) / 1e4);
	else
		snprintf(buf, HUMAN_SIZE, "%.1f %%", percent);
	return buf;
}

const char *human_time(char buf[HUMAN_SIZE], uint64_t ns)
{
	const time_t seconds = (time_t)(ns / 1000000000u);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(buf, HUMAN_SIZE, "%F %T", &tm))
		snprintf(buf, HUMAN_SIZE, "-");
	return buf;
}

const char *human_ns(char buf[HUMAN_SIZE], uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double value = (double)ns;
	int unit = 0;

	while (value >= 1000 && unit < 3) {
		value /= 1000;
		unit++;
	}
	snprintf(buf, HUMAN_SIZE, unit ? "%.2f %s" : "%.0f %s", value, units[unit]);
	return buf;
}
