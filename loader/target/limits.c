/* SPDX-License-Identifier: MIT */
/* limits - see limits.h. */
#include "loader/target/limits.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "loader/base/amount.h"
#include "loader/target/process.h"

enum {
	LIMITS_ROOM = 16 << 20, /* an agent, its stack, its first blocks */
	LIMITS_MAPPINGS = 64,
	LIMITS_DESCRIPTORS = 64,
};

/* Limits of bytes: what /proc/PID/limits calls them, and what of status counts. */
static const struct {
	const char *line, *field, *name, *option;
} limits_of_bytes[] = {
	{ "Max address space", "VmSize", "RLIMIT_AS", "as" },
	{ "Max data size", "VmData", "RLIMIT_DATA", "data" },
};

/* The soft limit and the hard one on a line of /proc/PID/limits. False: unlimited. */
static bool limits_read(const char *text, const char *line, uint64_t *soft, bool *hard)
{
	const char *p = strstr(text, line);
	unsigned long long s = 0, h = 0;
	const int n = p ? sscanf(p + strlen(line), "%llu %llu", &s, &h) : 0;

	*soft = s;
	*hard = n == 2 && h == s;
	return n >= 1;
}

static bool limits_bytes_words(pid_t pid, char *buf, size_t size)
{
	char *limits = process_read_own(pid, "limits", 64 << 10, NULL);
	char *status = process_read_own(pid, "status", 64 << 10, NULL);
	char left_words[24], limit_words[24];
	bool found = false;

	for (size_t i = 0; limits && status && !found &&
	     i < sizeof(limits_of_bytes) / sizeof(*limits_of_bytes);
	     i++) {
		uint64_t soft;
		bool hard;

		if (!limits_read(limits, limits_of_bytes[i].line, &soft, &hard))
			continue;
		const uint64_t used =
			process_text_field(status, limits_of_bytes[i].field, 10, 0) *
			1024;
		const uint64_t left = soft > used ? soft - used : 0;
		if (left >= LIMITS_ROOM)
			continue;
		found = true;
		snprintf(
			buf, size,
			"its %s %s is %s, of which %s are left; prlimit --pid %d --%s=%s "
			"gives it more",
			hard ? "hard" : "soft", limits_of_bytes[i].name,
			amount_bytes(limit_words, soft), amount_bytes(left_words, left),
			(int)pid, limits_of_bytes[i].option,
			hard ? "unlimited:unlimited" : "unlimited:");
	}
	free(limits);
	free(status);
	return found;
}

static bool limits_mappings_words(pid_t pid, char *buf, size_t size)
{
	char *maps = process_read_own(pid, "maps", (size_t)64 << 20, NULL);
	char *count = process_read_text("/proc/sys/vm/max_map_count", 64, NULL);
	unsigned long have = 0, max = 0;

	for (const char *p = maps; p && (p = strchr(p, '\n')); p++)
		have++;
	max = count ? strtoul(count, NULL, 10) : 0;
	free(maps);
	free(count);
	if (!max || have + LIMITS_MAPPINGS < max)
		return false;
	snprintf(buf, size,
		 "it has %lu mappings, and %lu is the most that vm.max_map_count allows",
		 have, max);
	return true;
}

const char *limits_words(pid_t pid, char *buf, size_t size)
{
	if (!limits_bytes_words(pid, buf, size) && !limits_mappings_words(pid, buf, size))
		buf[0] = '\0';
	return buf;
}

void limits_descriptors_words(pid_t pid, char *buf, size_t size)
{
	char *limits = process_read_own(pid, "limits", 64 << 10, NULL);
	uint64_t soft;
	bool hard;

	buf[0] = '\0';
	if (limits && limits_read(limits, "Max open files", &soft, &hard)) {
		const unsigned long long more = soft + LIMITS_DESCRIPTORS;
		char both[24] = "";

		if (hard)
			snprintf(both, sizeof(both), "%llu", more);
		snprintf(
			buf, size,
			"its %s RLIMIT_NOFILE is %llu; prlimit --pid %d --nofile=%llu:%s "
			"gives it more, and --method=external needs none",
			hard ? "hard" : "soft", (unsigned long long)soft, (int)pid, more,
			both);
	}
	free(limits);
}

void limits_lift(pid_t copy)
{
	static const int lifted[] = { RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK,
				      RLIMIT_NOFILE, RLIMIT_CPU };

	for (size_t i = 0; i < sizeof(lifted) / sizeof(*lifted); i++) {
		struct rlimit own;

		if (prlimit(copy, lifted[i], NULL, &own))
			continue;
		/* above the hard limit only with CAP_SYS_RESOURCE */
		const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
		const struct rlimit most = { own.rlim_max, own.rlim_max };
		if (prlimit(copy, lifted[i], &none, NULL))
			prlimit(copy, lifted[i], &most, NULL);
	}
}
