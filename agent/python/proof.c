/* SPDX-License-Identifier: MIT */
/* proof - see proof.h. */
#include "agent/python/proof.h"

#include "agent/base/peek.h"
#include "agent/python/frame_layout.h"
#include "agent/python/interpreters.h"
#include "agent/python/lookup.h"
#include "agent/python/type_flags.h"

enum { PROOF_FRAMES = 64, PROOF_THREADS = 64 };

/* 0 where it can't be read. */
static uint64_t proof_word(uint64_t addr)
{
	uint64_t word = 0;

	peek_safe64(addr, &word);
	return word;
}

static uint64_t proof_untagged(const struct frame_layout *row, uint64_t addr)
{
	const uint64_t word = proof_word(addr);

	return row->tagged ? word & ~3ull : word;
}

/* ---- frames ---- */

static bool proof_is_str(const struct cpython *py, uint64_t addr)
{
	return lookup_exact(py, proof_word(addr), CPYTHON_ADDR(py, unicode_type));
}

/* A tuple of so many names, and a byte of kind for each (3.11+). */
static bool proof_variables(const struct cpython *py, const struct frame_layout *row,
			    uint64_t base)
{
	uint64_t names, kinds;
	uint32_t n;

	if (row->co_names == FRAME_NONE)
		return lookup_exact(py, proof_word(base + row->co_varnames),
				    CPYTHON_ADDR(py, tuple_type));
	names = proof_word(base + row->co_names);
	kinds = proof_word(base + row->co_kinds);
	return lookup_exact(py, names, CPYTHON_ADDR(py, tuple_type)) &&
		lookup_exact(py, kinds, CPYTHON_ADDR(py, bytes_type)) &&
		peek_safe(base + row->co_nplus, &n, sizeof(n)) &&
		proof_word(names + py->lay.head) == n &&
		proof_word(kinds + py->lay.head) == n;
}

static bool proof_code(const struct cpython *py, const struct frame_layout *row,
		       uint64_t code)
{
	const uint64_t base = code + py->lay.head - 16;

	return lookup_exact(py, code, CPYTHON_ADDR(py, code_type)) &&
		proof_is_str(py, base + row->co_filename) &&
		proof_is_str(py, base + row->co_name) &&
		(row->co_qualname == FRAME_NONE ||
		 proof_is_str(py, base + row->co_qualname)) &&
		lookup_exact(py, proof_word(base + row->co_lines),
			     CPYTHON_ADDR(py, bytes_type)) &&
		proof_variables(py, row, base);
}

/* Its code, and the function of that code; a trampoline (3.12+) has None there. */
static bool proof_frame(const struct cpython *py, const struct frame_layout *row,
			uint64_t frame)
{
	const uint64_t at = frame + (row->frame_is_object ? py->lay.head - 16u : 0);
	const uint64_t code = proof_untagged(row, at + row->f_code);
	uint64_t function;

	if (!proof_code(py, row, code))
		return false;
	if (row->f_func == FRAME_NONE)
		return lookup_exact(py, frame, CPYTHON_ADDR(py, frame_type));
	function = proof_untagged(row, at + row->f_func);
	return function == CPYTHON_ADDR(py, none) ||
		(lookup_exact(py, function, CPYTHON_ADDR(py, function_type)) &&
		 proof_word(function + py->lay.fn_code) == code);
}

static bool proof_is_shim(const struct frame_layout *row, uint64_t frame)
{
	uint8_t owner;

	return row->f_owner != FRAME_NONE && peek_safe(frame + row->f_owner, &owner, 1) &&
		owner >= row->owner_shim;
}

/* How many frames of a thread are proven; -1: one is not as it must be. */
static int proof_thread(const struct cpython *py, const struct frame_layout *row,
			uint64_t interp, uint64_t tstate)
{
	const uint64_t shift = row->frame_is_object ? py->lay.head - 16u : 0;
	uint64_t frame = proof_word(tstate + row->ts_frame);
	int proven = 0;

	if (proof_word(tstate + row->ts_interp) != interp)
		return -1;
	if (frame && row->ts_cframe_frame != FRAME_NONE)
		frame = proof_word(frame + row->ts_cframe_frame);
	for (int n = 0; frame && n < PROOF_FRAMES; n++) {
		if (!proof_is_shim(row, frame)) {
			if (!proof_frame(py, row, frame))
				return -1;
			proven++;
		}
		frame = proof_word(frame + shift + row->f_previous);
	}
	return proven;
}

/* A generator ends with the frame it has in it, whose variables come last (3.11+). */
static bool proof_generator(const struct cpython *py, const struct frame_layout *row)
{
	const uint64_t basic =
		proof_word(CPYTHON_ADDR(py, gen_type) + py->lay.tp_basicsize);

	return row->frame_is_object ||
		basic == (uint64_t)row->g_frame + row->f_items + py->lay.head - 16;
}

static bool proof_frames(const struct cpython *py)
{
	const struct frame_layout *row = py->frames;
	const uint64_t interp = interpreters_main(py);
	uint64_t tstate = interpreters_thread(py, interp);
	int proven = 0, now;

	if (!row || !proof_generator(py, row))
		return false;
	for (int n = 0; tstate && n < PROOF_THREADS; n++) {
		now = proof_thread(py, row, interp, tstate);
		if (now < 0)
			return false;
		proven += now;
		tstate = interpreters_next_thread(py, tstate);
	}
	return proven > 0;
}

/* ---- attributes ---- */

/* Of an instance with a managed dict: its dict, or *values_ret. The rules of
 * heap/object/instances.h, by safe reads: here nothing of the layout is trusted yet. */
static uint64_t proof_managed(const struct cpython *py, uint64_t obj, uint64_t type,
			      uint64_t *values_ret)
{
	const struct layout *lay = &py->lay;
	const uint64_t word = proof_word(obj - lay->managed_dict);
	uint64_t inside;
	uint8_t valid;

	*values_ret = 0;
	switch (lay->managed) {
	case LAYOUT_MANAGED_311:
		*values_ret = word ? 0 : proof_word(obj - lay->managed_dict - 8);
		return word;
	case LAYOUT_MANAGED_312:
		*values_ret = word & 1 ? word + 1 : 0;
		return word & 1 ? 0 : word;
	case LAYOUT_MANAGED_313:
		inside = obj + proof_word(type + lay->tp_basicsize);
		if (!(word & ~7ull) && peek_safe(inside + 3, &valid, 1) && valid)
			*values_ret = inside + lay->values_items;
		return word & ~7ull;
	case LAYOUT_MANAGED_NONE:
		break;
	}
	return 0;
}

/* The attribute of an instance of a class; 0 = not where the tables say. */
static uint64_t proof_attribute(const struct cpython *py, uint64_t obj, const char *name)
{
	const struct layout *lay = &py->lay;
	const uint64_t type = proof_word(obj + lay->type);
	uint64_t dict, values = 0, index;

	if (proof_word(type + lay->tp_flags) & TYPE_MANAGED_DICT)
		dict = proof_managed(py, obj, type, &values);
	else
		dict = proof_word(obj + proof_word(type + lay->tp_dictoffset));
	if (!values)
		return lookup_dict(py, dict, name);
	return lookup_key(py, proof_word(type + lay->ht_cached_keys), name, &index) ?
		proof_word(values + index * 8) :
		0;
}

/* sys.__spec__ is an instance of ModuleSpec, with a name. */
static bool proof_attributes(const struct cpython *py)
{
	const uint64_t sys = lookup_dict(py, py->lay.known_tracked, "sys");
	const uint64_t dict = proof_word(sys + py->lay.head);
	const uint64_t spec = lookup_dict(py, dict, "__spec__");

	return spec && lookup_str_equals(py, proof_attribute(py, spec, "name"), "sys");
}

void proof_of_tables(struct cpython *py)
{
	if (!proof_frames(py))
		py->frames = NULL;
	py->lay.attributes_unknown = !proof_attributes(py);
}
