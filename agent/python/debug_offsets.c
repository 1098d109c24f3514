/* SPDX-License-Identifier: MIT */
/* debug_offsets - see debug_offsets.h. */
#include "agent/python/debug_offsets.h"

#include <string.h>

#include "agent/base/peek.h"
#include "agent/python/versions.h"

/* Words of 8 bytes. */
enum {
	DEBUG_OFFSETS_WORDS = 40,
	DEBUG_OFFSETS_FREE_THREADED = 2,
	DEBUG_OFFSETS_HEAD = 5,
	DEBUG_OFFSETS_INTERP_SIZE = 6,
	DEBUG_OFFSETS_INTERP_NEXT = 8, /* after size and id */
	DEBUG_OFFSETS_AFTER = 9,       /* the GIL's are behind here */
	DEBUG_OFFSETS_GIL_SPAN = 1
		<< 20, /* bytes: a GIL lies inside of its interpreter */
};

static bool debug_offsets_words(const struct cpython *py, uint64_t *words)
{
	const uint64_t runtime = CPYTHON_ADDR(py, runtime);

	return runtime && peek_safe(runtime, words, 8 * DEBUG_OFFSETS_WORDS) &&
		!memcmp(words, "xdebugpy", 8) &&
		words[DEBUG_OFFSETS_FREE_THREADED] == (py->sym.ft_marker != NULL);
}

bool debug_offsets_read(const struct cpython *py, struct debug_offsets *ret)
{
	uint64_t w[DEBUG_OFFSETS_WORDS];

	if (!debug_offsets_words(py, w))
		return false;
	*ret = (struct debug_offsets){ .interpreters_head = w[DEBUG_OFFSETS_HEAD],
				       .interp_size = w[DEBUG_OFFSETS_INTERP_SIZE],
				       .interp_next = w[DEBUG_OFFSETS_INTERP_NEXT] };
	return true;
}

/* 3.12: pycore_runtime.h, pycore_interp.h; the main GIL's pointer shows where _gil is. */
static bool debug_offsets_312(uint64_t main, struct debug_offsets *ret)
{
	uint64_t gil;

	*ret = (struct debug_offsets){ .interpreters_head = 40, .gil_pointer = 384 };
	if (!peek_safe64(main + ret->gil_pointer, &gil) || gil < main ||
	    gil - main > DEBUG_OFFSETS_GIL_SPAN)
		return false;
	ret->gil_own = gil - main;
	return true;
}

/*
 * The GIL's five (ceval_gil, gil_runtime_state, ..._enabled, ..._locked, ..._holder)
 * stand at a place that differs between versions, and are known by their distances.
 */
bool debug_offsets_gil(const struct cpython *py, uint64_t main, uint64_t locked,
		       uint64_t last_holder, struct debug_offsets *ret)
{
	uint64_t w[DEBUG_OFFSETS_WORDS];

	if (!versions_since(py, 13))
		return debug_offsets_312(main, ret);
	if (!debug_offsets_read(py, ret) || !debug_offsets_words(py, w))
		return false;
	for (unsigned i = DEBUG_OFFSETS_AFTER; i + 4 < DEBUG_OFFSETS_WORDS; i++) {
		if (w[i + 2] || w[i + 4] != w[i + 1] + last_holder ||
		    w[i + 3] != w[i + 1] + locked)
			continue;
		ret->gil_pointer = w[i];
		ret->gil_own = w[i + 1];
		return true;
	}
	return false;
}
