/* SPDX-License-Identifier: MIT */
/* page - see page.h. */
#include "agent/base/page.h"

#include <sys/auxv.h>

unsigned page_shift(void)
{
	static unsigned shift; /* every thread would write the same */

	if (!shift) {
		const unsigned long size = getauxval(AT_PAGESZ);

		shift = size ? (unsigned)__builtin_ctzl(size) : 12;
	}
	return shift;
}
