/* SPDX-License-Identifier: MIT */
/* unheld - resident memory that no object holds (unheld.h). */
#include "viewer/analysis/unheld.h"

#include "viewer/analysis/account.h"
#include "viewer/analysis/suspects.h"

#define UNHELD_LEAST (4u << 20) /* bytes: any interpreter has less */

int unheld_find(const struct heap *heap, double share, struct vec *ret)
{
	struct account account;
	int err = account_make(heap, &account);
	const uint64_t bytes[] = {
		[SUSPECT_FREE] = account.free,
		[SUSPECT_UNEXPLAINED] = account.unexplained,
		[SUSPECT_SHARED] = account.shared,
	};

	for (unsigned m = SUSPECT_FREE; m <= SUSPECT_SHARED && !err; m++) {
		struct suspect s = { .memory = m,
				     .pymalloc = m == SUSPECT_FREE &&
					     2 * account.malloc_free < account.free,
				     .retained = bytes[m],
				     .point = HEAP_NONE,
				     .holder = HEAP_NONE,
				     .top = HEAP_NONE };

		if (bytes[m] >= UNHELD_LEAST &&
		    (double)bytes[m] >= share * (double)account.rss)
			err = vec_append(ret, &s, sizeof(s));
	}
	return err;
}
