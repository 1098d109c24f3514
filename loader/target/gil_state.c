/* SPDX-License-Identifier: MIT */
/* gil_state - see gil_state.h. */
#include "loader/target/gil_state.h"

#include <assert.h>
#include <string.h>

#include "loader/cpu/code.h"
#include "loader/target/memory.h"

#define INTERPRETERS_MAX 256

/* Up to 3.11: the variable that _PyThreadState_UncheckedGet returns. */
static bool gil_state_read_current(const struct target *t, const struct memory *mem,
				   uint64_t *ret)
{
	uint8_t code[64];
	struct code_load load;

	if (!t->python.current ||
	    !memory_read(mem, t->python.current, code, sizeof(code)) ||
	    !code_loaded_variable(code, sizeof(code), t->python.current, &load))
		return false;
	uint64_t variable = load.address;
	if (load.indirect && !memory_read_u64(mem, variable, &variable))
		return false;
	return memory_read_u64(mem, variable + (uint64_t)load.offset, ret);
}

static enum gil_state gil_state_by_current(const struct target *t,
					   const struct memory *mem)
{
	uint64_t current;

	if (!gil_state_read_current(t, mem, &current))
		return GIL_UNKNOWN;
	return current ? GIL_HELD : GIL_FREE;
}

/* Where 3.12 and later keep interpreters and their GILs. */
struct places {
	uint64_t head;	    /* in the runtime: the newest interpreter */
	uint64_t next, gil; /* in an interpreter: the next one; pointer to its GIL */
	uint64_t locked;    /* in a GIL: int, 1 = held, -1 = not made yet */
	uint64_t interval;  /* in a GIL: microseconds, for checking the rest */
};

/* 3.12 (pycore_runtime.h, pycore_interp.h, pycore_gil.h); the same in all its builds. */
static const struct places places_3_12 = {
	.head = 40,
	.next = 0,
	.gil = 384,
	.locked = 16,
	.interval = 0,
};

/*
 * _Py_DebugOffsets, words of 8 bytes: 0 cookie, 1 version, 2 free_threaded,
 * 3-5 runtime_state (5: interpreters_head), from 6 interpreter_state (8: next).
 * The GIL's five (ceval_gil, gil_runtime_state, ..._enabled, ..._locked, ..._holder)
 * stand further on at a place that differs between versions, but are known by
 * their distances: the holder follows the interval, the lock the holder.
 */
static bool gil_state_read_places(const struct memory *mem, uint64_t runtime,
				  struct places *ret)
{
	uint64_t w[32];

	if (!memory_read(mem, runtime, w, sizeof(w)) || memcmp(w, "xdebugpy", 8) || w[2])
		return false;
	for (int i = 9; i + 4 < 32; i++) {
		if (w[i + 2] || w[i + 4] != w[i + 1] + 8 || w[i + 3] != w[i + 1] + 16)
			continue;
		*ret = (struct places){ .head = w[5],
					.next = w[8],
					.gil = w[i],
					.locked = 16,
					.interval = 0 };
		return true;
	}
	return false;
}

static enum gil_state gil_state_one_gil(const struct memory *mem, uint64_t gil,
					const struct places *p)
{
	uint64_t interval;
	int32_t locked;

	if (!memory_read_u64(mem, gil + p->interval, &interval) || !interval ||
	    interval > 100000000 ||
	    !memory_read(mem, gil + p->locked, &locked, sizeof(locked)) || locked < -1 ||
	    locked > 1)
		return GIL_UNKNOWN;
	return locked == 1 ? GIL_HELD : GIL_FREE;
}

/* Free only if every interpreter's is. */
static enum gil_state gil_state_by_interpreters(const struct target *t,
						const struct memory *mem,
						const struct places *p)
{
	uint64_t interpreter, gil;
	enum gil_state all = GIL_UNKNOWN;

	if (!memory_read_u64(mem, t->python.runtime + p->head, &interpreter))
		return GIL_UNKNOWN;
	for (int i = 0; interpreter && i < INTERPRETERS_MAX; i++) {
		if (!memory_read_u64(mem, interpreter + p->gil, &gil))
			return GIL_UNKNOWN;
		all = gil_state_one_gil(mem, gil, p);
		if (all != GIL_FREE ||
		    !memory_read_u64(mem, interpreter + p->next, &interpreter))
			return all;
	}
	return interpreter ? GIL_UNKNOWN : all;
}

static bool gil_state_find_places(const struct target *t, const struct memory *mem,
				  struct places *ret)
{
	if (!t->python.runtime || t->python.hex < 0x030c0000)
		return false;
	if (t->python.hex >= 0x030d0000)
		return gil_state_read_places(mem, t->python.runtime, ret);
	*ret = places_3_12;
	return true;
}

enum gil_state gil_state(const struct target *t, const struct memory *mem)
{
	struct places places;

	if (!t->python.hex)
		return GIL_UNKNOWN;
	if (t->python.hex < 0x030c0000)
		return gil_state_by_current(t, mem);
	if (!gil_state_find_places(t, mem, &places))
		return GIL_UNKNOWN;
	return gil_state_by_interpreters(t, mem, &places);
}

int gil_state_locks(const struct target *t, const struct memory *mem, uint64_t *ret,
		    int max)
{
	struct places p;
	uint64_t interpreter, gil;
	int count = 0;

	if (!gil_state_find_places(t, mem, &p) ||
	    !memory_read_u64(mem, t->python.runtime + p.head, &interpreter))
		return 0;
	while (interpreter && count < max) {
		if (!memory_read_u64(mem, interpreter + p.gil, &gil) ||
		    gil_state_one_gil(mem, gil, &p) == GIL_UNKNOWN)
			return 0;
		ret[count++] = gil + p.locked;
		if (!memory_read_u64(mem, interpreter + p.next, &interpreter))
			break;
	}
	return count;
}

uint64_t gil_state_thread(const struct target *t, const struct memory *mem)
{
	uint64_t locks[INTERPRETERS_MAX], holder = 0;
	int32_t locked;

	if (!t->python.hex)
		return 0;
	if (t->python.hex < 0x030c0000)
		return gil_state_read_current(t, mem, &holder) ? holder : 0;
	const int count = gil_state_locks(t, mem, locks, INTERPRETERS_MAX);
	for (int i = 0; i < count; i++) {
		if (!memory_read(mem, locks[i], &locked, sizeof(locked)) || locked != 1)
			continue;
		return memory_read_u64(mem, locks[i] - 8, &holder) ? holder : 0;
	}
	return 0;
}

const char *gil_state_name(enum gil_state state)
{
	static const char *const names[] = { "unknown", "free", "held" };

	assert((size_t)state < sizeof(names) / sizeof(names[0]));
	return names[state];
}
