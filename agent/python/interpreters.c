/* SPDX-License-Identifier: MIT */
/* interpreters - see interpreters.h. */
#include "agent/python/interpreters.h"

#include "agent/base/peek.h"
#include "agent/python/call.h"
#include "agent/python/debug_offsets.h"

enum { INTERPRETERS_SIZE_MIN = 4096, INTERPRETERS_SIZE_MAX = 1 << 24 };

uint64_t interpreters_size(const struct cpython *py)
{
	struct debug_offsets offsets;

	if (debug_offsets_read(py, &offsets) &&
	    offsets.interp_size > INTERPRETERS_SIZE_MIN &&
	    offsets.interp_size < INTERPRETERS_SIZE_MAX)
		return offsets.interp_size;
	return py->lay.interp_size;
}

#ifdef PEEK_IMAGE
uint64_t interpreters_main(const struct cpython *py)
{
	return py->image->main;
}

uint64_t interpreters_first(const struct cpython *py)
{
	return py->image->count ? py->image->interps[0] : 0;
}

static uint32_t interpreters_index(const struct cpython *py, uint64_t interp)
{
	uint32_t i = 0;

	while (i < py->image->count && py->image->interps[i] != interp)
		i++;
	return i;
}

uint64_t interpreters_next(const struct cpython *py, uint64_t interp)
{
	const uint32_t i = interpreters_index(py, interp) + 1;

	return i < py->image->count ? py->image->interps[i] : 0;
}

uint64_t interpreters_id(const struct cpython *py, uint64_t interp)
{
	return py->image->count - 1 - interpreters_index(py, interp);
}

uint64_t interpreters_thread(const struct cpython *py, uint64_t interp)
{
	const uint32_t index = interpreters_index(py, interp);

	for (uint32_t i = 0; i < py->image->nthreads; i++)
		if (py->image->owner[i] == index)
			return py->image->threads[i];
	return 0;
}

uint64_t interpreters_next_thread(const struct cpython *py, uint64_t tstate)
{
	const struct interpreters_image *image = py->image;

	for (uint32_t i = 0; i + 1 < image->nthreads; i++)
		if (image->threads[i] == tstate && image->owner[i + 1] == image->owner[i])
			return image->threads[i + 1];
	return 0;
}

uint64_t interpreters_current(const struct cpython *py)
{
	return py->image->current;
}

uint64_t interpreters_modules(const struct cpython *py)
{
	return py->image->modules;
}
#else
uint64_t interpreters_main(const struct cpython *py)
{
	return call_word(py->sym.interp_main ? py->sym.interp_main : py->sym.interp_head);
}

uint64_t interpreters_first(const struct cpython *py)
{
	return call_word(py->sym.interp_head);
}

uint64_t interpreters_next(const struct cpython *py, uint64_t interp)
{
	return call_word_of(py->sym.interp_next, interp);
}

uint64_t interpreters_id(const struct cpython *py, uint64_t interp)
{
	return py->sym.interp_id ? call_word_of(py->sym.interp_id, interp) : 0;
}

uint64_t interpreters_thread(const struct cpython *py, uint64_t interp)
{
	return call_word_of(py->sym.interp_threads, interp);
}

uint64_t interpreters_next_thread(const struct cpython *py, uint64_t tstate)
{
	return call_word_of(py->sym.tstate_next, tstate);
}

uint64_t interpreters_current(const struct cpython *py)
{
	void *fn = py->sym.tstate_unchecked ? py->sym.tstate_unchecked :
					      py->sym.tstate_unchecked_new;

	return fn ? call_word(fn) : 0;
}

uint64_t interpreters_modules(const struct cpython *py)
{
	return call_word(py->sym.module_dict);
}
#endif
