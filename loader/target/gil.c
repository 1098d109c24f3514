// SPDX-License-Identifier: MIT
/* gil - see gil.h. */
#include "loader/target/gil.h"

#include <string.h>

#include "loader/inject/cpu.h"
#include "loader/target/memory.h"

/* Up to 3.11: the variable that _PyThreadState_UncheckedGet returns. */
static enum gil_state by_current(const struct target *t, int mem)
{
	uint8_t code[64];
	uint64_t current;
	if (!t->python.current || !memory_read(mem, t->python.current, code, sizeof(code)))
		return GIL_UNKNOWN;
	uint64_t variable = cpu_loaded_address(code, sizeof(code), t->python.current);
	if (!variable || !memory_read_u64(mem, variable, &current))
		return GIL_UNKNOWN;
	return current ? GIL_HELD : GIL_FREE;
}

enum gil_state gil_state(const struct target *t, int mem)
{
	if (!t->python.hex)
		return GIL_UNKNOWN;
	if (t->python.hex < 0x030c0000)
		return by_current(t, mem);
	return GIL_UNKNOWN;
}

const char *gil_state_name(enum gil_state state)
{
	static const char *const names[] = { "unknown", "free", "held" };
	return names[state];
}
