/* SPDX-License-Identifier: MIT */
/* memory_error - see memory_error.h. */
#include "agent/trigger/memory_error.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "agent/base/sys.h"
#include "agent/python/type.h"
#include "agent/snap/copy_life.h"
#include "agent/trigger/allowance.h"
#include "agent/trigger/room.h"
#include "agent/trigger/trigger_capture.h"

/* What we use of the C API; weak, so that the agent loads without it. */
struct object;
struct mem_allocator { /* PyMemAllocatorEx */
	void *ctx;
	void *(*malloc)(void *ctx, size_t size);
	void *(*calloc)(void *ctx, size_t count, size_t size);
	void *(*realloc)(void *ctx, void *mem, size_t size);
	void (*free)(void *ctx, void *mem);
};
struct arena_allocator { /* PyObjectArenaAllocator */
	void *ctx;
	void *(*alloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *mem, size_t size);
};

#define WEAK __attribute__((weak))
extern struct object *PyExc_MemoryError WEAK;
extern int PyGILState_Check(void) WEAK;
extern void Py_DecRef(struct object *o) WEAK;
/* new */
extern struct object *PyException_GetTraceback(struct object *error) WEAK;
extern void PyMem_GetAllocator(int domain, struct mem_allocator *ret) WEAK;
extern void PyMem_SetAllocator(int domain, struct mem_allocator *allocator) WEAK;
extern void PyObject_GetArenaAllocator(struct arena_allocator *ret) WEAK;
extern void PyObject_SetArenaAllocator(struct arena_allocator *allocator) WEAK;

enum { DOMAINS = 3, DOMAIN_RAW = 0 };

/* Of a type. */
struct memory_error_slots {
	struct object *(*make)(struct object *type, struct object *args,
			       struct object *kwds);
	void (*dealloc)(struct object *error);
};

static struct {
	const struct trigger_config *config;
	const struct cpython *py;
	struct mem_allocator below[DOMAINS];
	struct arena_allocator arena_below;
	uint64_t memory; /* of the machine: no larger request counts */
	struct memory_error_slots below_type;
} memory_error;

static void memory_error_take(void)
{
	static const struct trigger_cause cause = { .why = "memory error",
						    .context = JOB_HOLDING,
						    .hurried = true,
						    .cause = ALLOWANCE_MEMORY_ERROR };

	if (!cpython_finalizing(memory_error.py))
		trigger_capture_take(memory_error.config, &cause);
}

static void memory_error_failed(size_t size)
{
	if (size <= memory_error.memory && PyGILState_Check())
		memory_error_take();
}

/*
 * One set of wrappers per domain.  The context stays that of the allocator below: a
 * thread that reads the table while it is replaced gets a pair that works.
 */
#define DOMAIN_WRAPPERS(n) \
	static void *memory_error_malloc##n(void *ctx, size_t size) \
	{ \
		void *mem = memory_error.below[n].malloc(ctx, size); \
		if (__builtin_expect(!mem, 0)) \
			memory_error_failed(size); \
		return mem; \
	} \
	static void *memory_error_calloc##n(void *ctx, size_t count, size_t size) \
	{ \
		void *mem = memory_error.below[n].calloc(ctx, count, size); \
		size_t all; \
		if (__builtin_expect(!mem, 0) && \
		    !__builtin_mul_overflow(count, size, &all)) \
			memory_error_failed(all); \
		return mem; \
	} \
	static void *memory_error_realloc##n(void *ctx, void *old, size_t size) \
	{ \
		void *mem = memory_error.below[n].realloc(ctx, old, size); \
		if (__builtin_expect(!mem, 0)) \
			memory_error_failed(size); \
		return mem; \
	} \
	static void memory_error_free##n(void *ctx, void *mem) \
	{ \
		memory_error.below[n].free(ctx, mem); \
	}
DOMAIN_WRAPPERS(0)
DOMAIN_WRAPPERS(1)
DOMAIN_WRAPPERS(2)

static const struct mem_allocator wrappers[DOMAINS] = {
	{ NULL, memory_error_malloc0, memory_error_calloc0, memory_error_realloc0,
	  memory_error_free0 },
	{ NULL, memory_error_malloc1, memory_error_calloc1, memory_error_realloc1,
	  memory_error_free1 },
	{ NULL, memory_error_malloc2, memory_error_calloc2, memory_error_realloc2,
	  memory_error_free2 },
};

static void *memory_error_arena_alloc(void *ctx, size_t size)
{
	void *mem = memory_error.arena_below.alloc(ctx, size);

	if (!mem)
		memory_error_failed(size);
	return mem;
}

static void memory_error_arena_free(void *ctx, void *mem, size_t size)
{
	memory_error.arena_below.free(ctx, mem, size);
}

static void memory_error_wrap(void)
{
	struct arena_allocator arena;

	for (int domain = 0; domain < DOMAINS; domain++) {
		struct mem_allocator own = wrappers[domain];

		PyMem_GetAllocator(domain, &memory_error.below[domain]);
		own.ctx = memory_error.below[domain].ctx;
		/* the others only where they are malloc as well (PYTHONMALLOC=malloc):
		 * pymalloc asks the raw domain itself */
		if (domain == DOMAIN_RAW ||
		    memory_error.below[domain].malloc ==
			    memory_error.below[DOMAIN_RAW].malloc)
			PyMem_SetAllocator(domain, &own);
	}
	PyObject_GetArenaAllocator(&memory_error.arena_below);
	arena = (struct arena_allocator){ memory_error.arena_below.ctx,
					  memory_error_arena_alloc,
					  memory_error_arena_free };
	PyObject_SetArenaAllocator(&arena);
}

/*
 * Room in a limited address space for the tables of the copy: the marks (marks.h: 16 MiB
 * and a twenty-first of what objects lie in), the writer's, the walk's own.
 */
static void memory_error_set_aside(void)
{
	struct rlimit limit;
	uint64_t size;
	long mem;

	if (sys4(SYS_prlimit64, 0, RLIMIT_AS, NULL, &limit) < 0 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return;
	size = limit.rlim_cur / 16 + (64u << 20);
	if (size > limit.rlim_cur / 4)
		size = limit.rlim_cur / 4;
	size &= ~4095ull;
	mem = sys6(SYS_mmap, 0, (long)size, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!sys_failed(mem))
		copy_reserve = (struct copy_reserve){ (void *)mem, size };
}

/* ---- MemoryError itself ---- */

/* Whoever raises one that no allocator of the interpreter knows of: Python code, numpy
 * and others with a malloc of their own. */
static struct object *memory_error_made(struct object *type, struct object *args,
					struct object *kwds)
{
	memory_error_take();
	return memory_error.below_type.make(type, args, kwds);
}

/*
 * 3.12+: PyErr_NoMemory takes one that is kept ready, past tp_new
 * (Objects/exceptions.c:get_memory_error).  Where it came to a frame it has a traceback;
 * those that the interpreter makes for its store have none.
 */
static void memory_error_gone(struct object *error)
{
	struct object *const traceback = PyException_GetTraceback(error);

	if (traceback) {
		Py_DecRef(traceback);
		memory_error_take();
	}
	memory_error.below_type.dealloc(error);
}

static void memory_error_wrap_type(void)
{
	static const struct memory_error_slots own = { memory_error_made,
						       memory_error_gone };
	struct type_slots slots;

	if (!type_find_slots((uintptr_t)PyExc_MemoryError, "MemoryError", &slots))
		return;
	memcpy(&memory_error.below_type.make, (void *)slots.make, sizeof(void *));
	memcpy(&memory_error.below_type.dealloc, (void *)slots.dealloc, sizeof(void *));
	memcpy((void *)slots.make, &own.make, sizeof(void *));
	memcpy((void *)slots.dealloc, &own.dealloc, sizeof(void *));
}

void memory_error_install(const struct trigger_config *config, const struct cpython *py)
{
	uint64_t used;

	memory_error.config = config;
	memory_error.py = py;
	room_read(&memory_error.memory, &used);
	memory_error_set_aside();
	memory_error_wrap();
	memory_error_wrap_type();
}
