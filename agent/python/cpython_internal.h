/* SPDX-License-Identifier: MIT */
/*
 * cpython_internal - struct cpython, shared by the binding, the probes and the
 * walk.  Outsiders use binding.h.
 */
#ifndef PYMEM_AGENT_PYTHON_CPYTHON_INTERNAL_H
#define PYMEM_AGENT_PYTHON_CPYTHON_INTERNAL_H

#include "agent/python/binding.h"
#include "agent/python/layout.h"
#include "agent/python/symbols.h"

struct cpython {
	uint32_t version;	/* 0x030b07 = 3.11.7 */
	char version_text[256]; /* Py_GetVersion() */
	bool probed;
	struct cpython_symbols sym;
	struct layout lay;
};

/* Address of a data symbol or function as the walk uses addresses; 0 = not there. */
#define CPYTHON_ADDR(py, field) ((uint64_t)(uintptr_t)(py)->sym.field)

/* True from version 3.minor on. */
static inline bool cpython_since(const struct cpython *py, unsigned minor)
{
	return py->version >= (0x030000u | minor << 8);
}

/*
 * Calls fn with up to 8 arguments through libffi.  sig is "result:arguments",
 * one letter each: v nothing (result only), i int, u unsigned int, l long,
 * L unsigned long / size_t, p pointer, d double (bits in the uint64_t).
 * Arguments and result are passed as 64-bit patterns.
 * 0; -EINVAL: the signature is not understood.
 */
int cpython_call(void *fn, const char *sig, const uint64_t *args, uint64_t *ret);

/*
 * Offset of a C member (tp_members of the type itself) by its Python name, e.g.
 * (code type, "co_filename"); 0 when the type has no such object member.
 * Needs a probed layout.
 */
uint32_t cpython_member_offset(const struct cpython *py, uint64_t type, const char *name);

/* Looks up a str key in a dict without calling the interpreter: the value's
 * address, 0 = absent.  Linear; for start-up questions only. */
uint64_t cpython_dict_get(const struct cpython *py, uint64_t dict, const char *key);

/* True when str object is this ASCII text. */
bool cpython_str_equals(const struct cpython *py, uint64_t str, const char *text);

#endif
