/* SPDX-License-Identifier: MIT */
/*
 * call - calls of functions of the target: all that the walk makes are made here.
 *
 * In an image (PEEK_IMAGE) there is nothing to call: call_possible() is false, and
 * the walk does without.
 */
#ifndef PYMEM_AGENT_PYTHON_CALL_H
#define PYMEM_AGENT_PYTHON_CALL_H

#include "agent/base/peek.h"

/* visitproc of tp_traverse: int visit(PyObject *, void *arg). */
typedef int call_visit_fn(void *object, void *arg);

static inline bool call_possible(void)
{
	return !PEEK_IN_IMAGE;
}

/* A function of no argument, or of one word, that returns a word. */
static inline uint64_t call_word(void *fn)
{
	union {
		void *p;
		uint64_t (*fn)(void);
	} u = { fn };

	return u.fn();
}

static inline uint64_t call_word_of(void *fn, uint64_t arg)
{
	union {
		void *p;
		uint64_t (*fn)(uint64_t);
	} u = { fn };

	return u.fn(arg);
}

/* A function of no argument and no result. */
static inline void call_nothing(void *fn)
{
	union {
		void *p;
		void (*fn)(void);
	} u = { fn };

	u.fn();
}

/* tp_is_gc at address fn. In an image: true. */
static inline bool call_is_gc(uint64_t fn, uint64_t obj)
{
	union {
		uint64_t p;
		int (*fn)(uint64_t);
	} u = { fn };

	return !call_possible() || u.fn(obj);
}

/* tp_traverse at address fn. */
static inline void call_traverse(uint64_t fn, uint64_t obj, call_visit_fn *visit,
				 void *arg)
{
	union {
		uint64_t p;
		int (*fn)(uint64_t, call_visit_fn *, void *);
	} u = { fn };

	if (call_possible())
		u.fn(obj, visit, arg);
}

/*
 * Calls fn with up to 8 arguments through libffi.  sig is "result:arguments",
 * one letter each: v nothing (result only), i int, u unsigned int, l long,
 * L unsigned long / size_t, p pointer, d double (bits in the uint64_t).
 * Arguments and result are passed as 64-bit patterns.
 * 0; -EINVAL: the signature is not understood.
 */
int call_by_signature(void *fn, const char *sig, const uint64_t *args, uint64_t *ret);

#endif
