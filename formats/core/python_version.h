/* SPDX-License-Identifier: MIT */
/*
 * python_version - how the text begins that Py_GetVersion gives (Python/getversion.c), by
 * which agent and loader tell its buffer among an interpreter's variables.
 */
#ifndef PYMEM_FORMATS_CORE_PYTHON_VERSION_H
#define PYMEM_FORMATS_CORE_PYTHON_VERSION_H

#include <stddef.h>

enum {
	PYTHON_VERSION_NUMBER = 24, /* bytes of the number, at most */
	PYTHON_VERSION_BUILD = 48   /* ... and of the kind of build behind it */
};

static inline size_t python_version_digits(const char *p, const char *end)
{
	const char *s = p;

	while (s < end && *s >= '0' && *s <= '9')
		s++;
	return (size_t)(s - p);
}

/*
 * Length of the number at p, in "3.11.2 (main...", "3.13.0rc2+ (..." or "3.14.0
 * free-threading build (...", which ends before `end`; 0: there is none.
 */
static inline size_t python_version_length(const char *p, const char *end)
{
	const char *s = p, *number;
	size_t n;

	if (end - s < 2 || s[0] != '3' || s[1] != '.')
		return 0;
	s += 2;
	n = python_version_digits(s, end);
	if (!n || end - s <= (long)n || s[n] != '.' ||
	    !python_version_digits(s + n + 1, end))
		return 0;
	for (s += n + 1; s<end && * s> ' ' && *s != '('; s++)
		if (s - p > PYTHON_VERSION_NUMBER)
			return 0;
	number = s;
	if (s == end || *s != ' ')
		return 0;
	while (s < end && ((*s >= 'a' && *s <= 'z') || *s == '-' || *s == ' ') &&
	       s - number < PYTHON_VERSION_BUILD)
		s++;
	return s < end && *s == '(' ? (size_t)(number - p) : 0;
}

#endif
