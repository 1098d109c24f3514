/* SPDX-License-Identifier: MIT */
/*
 * viewer_make - heaps for tests, made by calling the loader's sink.
 *
 * Strings, types and shapes get the next id; objects the address given.
 */
#ifndef PYMEM_TESTS_VIEWER_MAKE_H
#define PYMEM_TESTS_VIEWER_MAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "viewer/model/load.h"

struct make {
	struct loader *loader;
	struct snap_sink *sink;
	uint32_t strings, types, shapes, threads, frames;
};

static inline void make_begin(struct make *m)
{
	memset(m, 0, sizeof(*m));
	m->loader = loader_create();
	assert_non_null(m->loader);
	m->sink = loader_sink(m->loader);
}

static inline struct heap *make_end(struct make *m)
{
	struct heap *heap = NULL;

	assert_int_equal(loader_finish(m->loader, true, &heap), 0);
	loader_destroy(m->loader);
	return heap;
}

static inline uint32_t make_string(struct make *m, const char *text)
{
	assert_int_equal(m->sink->ops->string(m->sink, ++m->strings, text, strlen(text)),
			 0);
	return m->strings;
}

static inline uint32_t make_type(struct make *m, const char *name, uint64_t addr,
				 unsigned kind, unsigned flags)
{
	struct snap_type type = { .id = ++m->types,
				  .name = make_string(m, name),
				  .addr = addr,
				  .flags = flags,
				  .kind = (uint8_t)kind,
				  .basicsize = 16 };

	assert_int_equal(m->sink->ops->type(m->sink, &type), 0);
	return type.id;
}

static inline uint32_t make_shape(struct make *m, const struct snap_label *fixed,
				  uint32_t n, enum snap_tail tail)
{
	struct snap_shape shape = {
		.id = ++m->shapes, .nfixed = n, .fixed = fixed, .tail = (uint8_t)tail
	};

	assert_int_equal(m->sink->ops->shape(m->sink, &shape), 0);
	return shape.id;
}

static inline void make_object(struct make *m, uint64_t addr, uint32_t type,
			       uint32_t shape, uint64_t size, uint64_t refcount,
			       const uint64_t *refs, uint32_t nrefs)
{
	struct snap_object o = { .addr = addr,
				 .size = size,
				 .refcount = refcount,
				 .type = type,
				 .shape = shape,
				 .nrefs = nrefs,
				 .refs = refs };

	assert_int_equal(m->sink->ops->object(m->sink, &o), 0);
}

static inline void make_str(struct make *m, uint64_t addr, uint32_t type,
			    const char *text)
{
	struct snap_value v = { .addr = addr,
				.kind = SNAP_VALUE_STR,
				.length = strlen(text),
				.size = (uint32_t)strlen(text),
				.text = text };

	make_object(m, addr, type, 0, 49 + strlen(text), 1, NULL, 0);
	assert_int_equal(m->sink->ops->value(m->sink, &v), 0);
}

static inline void make_root(struct make *m, enum snap_root_kind kind, const char *name,
			     uint32_t thread, uint32_t frame, uint64_t target)
{
	struct snap_root root = { .kind = (uint8_t)kind,
				  .name = make_string(m, name),
				  .thread = thread,
				  .frame = frame,
				  .target = target };

	assert_int_equal(m->sink->ops->root(m->sink, &root), 0);
}

static inline uint32_t make_thread(struct make *m, const char *name)
{
	struct snap_thread t = { .id = ++m->threads, .name = make_string(m, name) };

	assert_int_equal(m->sink->ops->thread(m->sink, &t), 0);
	return t.id;
}

static inline uint32_t make_frame(struct make *m, uint32_t thread, const char *function,
				  const char *file, uint32_t line)
{
	struct snap_frame f = { .id = ++m->frames, .thread = thread, .line = line };

	f.function = make_string(m, function);
	f.file = make_string(m, file);
	assert_int_equal(m->sink->ops->frame(m->sink, &f), 0);
	return f.id;
}

static inline void make_fact(struct make *m, const char *key, uint64_t value)
{
	struct snap_fact fact = { .key = key, .kind = SNAP_FACT_U64, .u64 = value };

	assert_int_equal(m->sink->ops->fact(m->sink, &fact), 0);
}

#endif
