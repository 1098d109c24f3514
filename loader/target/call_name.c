/* SPDX-License-Identifier: MIT */
/* call_name - see call_name.h.  The build makes the table out of sys/syscall.h. */
#include "loader/target/call_name.h"

#include <stdio.h>
#include <sys/syscall.h>

static const char *const call_names[] = {
#include "call_names.inc"
};

const char *call_name(long nr, char *buf, size_t size)
{
	const size_t count = sizeof(call_names) / sizeof(call_names[0]);

	if (nr >= 0 && (size_t)nr < count && call_names[nr])
		snprintf(buf, size, "%s (%ld)", call_names[nr], nr);
	else
		snprintf(buf, size, "system call %ld", nr);
	return buf;
}
