/* SPDX-License-Identifier: MIT */
/*
 * call - see call.h.  ffi_prep_cif and ffi_call need no executable memory and no
 * malloc.
 */
#include "agent/python/call.h"

#include <errno.h>
#include <ffi.h>
#include <string.h>

enum { CALL_ARGS = 8 };

static ffi_type *call_type(char letter)
{
	switch (letter) {
	case 'v':
		return &ffi_type_void;
	case 'i':
		return &ffi_type_sint32;
	case 'u':
		return &ffi_type_uint32;
	case 'l':
		return &ffi_type_sint64;
	case 'L':
		return &ffi_type_uint64;
	case 'p':
		return &ffi_type_pointer;
	case 'd':
		return &ffi_type_double;
	default:
		return NULL;
	}
}

int call_by_signature(void *fn, const char *sig, const uint64_t *args, uint64_t *ret)
{
	ffi_type *types[CALL_ARGS], *result = call_type(sig[0]);
	union {
		uint32_t w;
		uint64_t d;
	} slots[CALL_ARGS];
	void *values[CALL_ARGS];
	unsigned n = 0;
	uint64_t out = 0;
	ffi_cif cif;

	if (!fn || !result || sig[1] != ':')
		return -EINVAL;
	for (const char *s = sig + 2; *s; s++, n++) {
		if (n == CALL_ARGS || *s == 'v' || !(types[n] = call_type(*s)))
			return -EINVAL;
		slots[n].d = args[n];
		if (*s == 'i' || *s == 'u')
			slots[n].w = (uint32_t)args[n];
		values[n] = &slots[n];
	}
	if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, n, result, types) != FFI_OK)
		return -EINVAL;
	ffi_call(&cif, FFI_FN(fn), &out, values);
	if (ret) /* libffi widens integer results to a full register */
		*ret = sig[0] == 'i' ? (uint64_t)(int64_t)(int32_t)out : out;
	return 0;
}
