/* SPDX-License-Identifier: MIT */
/* load_error - see load_error.h. */
#include "loader/base/load_error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

int load_fail(struct load_error *err, enum load_error_code code, int sys,
	      const char *format, ...)
{
	assert(code != LOAD_OK);
	if (!err)
		return -1;
	err->code = code;
	err->sys = sys;
	va_list ap;
	va_start(ap, format);
	vsnprintf(err->text, sizeof(err->text), format, ap);
	va_end(ap);
	return -1;
}
