/* SPDX-License-Identifier: MIT */
/* copy_state - see copy_state.h. */
#include "loader/inject/copy_state.h"

#include "loader/inject/remote_call.h"
#include "loader/target/calls.h"
#include "loader/target/gil_state.h"

#define CALL_MS 1000
#define LOCKS_MAX 64

void copy_state_free_loader(struct remote *r)
{
	const struct target *target = r->tracee->helper->target;
	const uint32_t free_lock[4] = { 0 }; /* lock, count, owner, users */

	if (!calls_loader_busy(target, &r->tracee->mem))
		return;
	helper_log(r->tracee->helper, "the dynamic loader's locks are freed in the copy");
	for (int i = 0; i < target->calls.loader_lock_count; i++)
		tracee_write(r->tracee, target->calls.loader_locks[i], free_lock,
			     sizeof(free_lock));
}

/* Calls the first of the functions that exists; *ret = fallback if none does. */
static int copy_state_call_first(struct remote *r, const char *const *names,
				 uint64_t arg0, uint64_t fallback, uint64_t *ret,
				 struct load_error *err)
{
	const struct elf *elf = &r->tracee->helper->target->python.elf;
	const uint64_t arg[4] = { arg0 };

	for (; *names; names++) {
		uint64_t function = elf_module_address(elf, *names);

		if (function)
			return remote_call(r, function, arg, CALL_MS, ret, err);
	}
	*ret = fallback;
	return 0;
}

static void copy_state_free_gils(struct remote *r)
{
	struct tracee *t = r->tracee;
	uint64_t locks[LOCKS_MAX];
	const int32_t unlocked = 0;
	int count = gil_state_locks(t->helper->target, &t->mem, locks, LOCKS_MAX);

	for (int i = 0; i < count; i++) {
		int32_t now;

		if (tracee_read(t, locks[i], &now, sizeof(now)) && now == 1)
			tracee_write(t, locks[i], &unlocked, sizeof(unlocked));
	}
}

/* Up to 3.6 a variable, the thread that ends the interpreter; then a function. */
static int copy_state_is_ending(struct remote *r, uint64_t *ret, struct load_error *err)
{
	static const char *const functions[] = { "Py_IsFinalizing", "_Py_IsFinalizing",
						 NULL };
	const struct tracee *t = r->tracee;
	uint64_t variable =
		elf_module_address(&t->helper->target->python.elf, "_Py_Finalizing");

	if (copy_state_call_first(r, functions, 0, 0, ret, err))
		return -1;
	*ret = (uint32_t)*ret; /* an int */
	if (!*ret && variable && !tracee_read(t, variable, ret, sizeof(*ret)))
		*ret = 0;
	return 0;
}

int copy_state_take_gil(struct remote *r, struct load_error *err)
{
	static const char *const initialized[] = { "Py_IsInitialized", NULL };
	static const char *const current[] = { "PyThreadState_GetUnchecked",
					       "_PyThreadState_UncheckedGet", NULL };
	static const char *const ensure[] = { "PyGILState_Ensure", NULL };
	static const char *const interpreter[] = { "PyInterpreterState_Main",
						   "PyInterpreterState_Head", NULL };
	static const char *const thread[] = { "PyInterpreterState_ThreadHead", NULL };
	static const char *const swap[] = { "PyThreadState_Swap", NULL };
	uint64_t value, ready, ending;

	if (!r->tracee->helper->target->python.found)
		return 0;
	if (copy_state_call_first(r, initialized, 0, 0, &ready, err) ||
	    copy_state_is_ending(r, &ending, err))
		return -1;
	if ((!(int)ready && !ending) ||
	    copy_state_call_first(r, current, 0, 0, &value, err))
		return err->code ? -1 : 0;
	if (value)
		return 0;
	copy_state_free_gils(r);
	if (!ending) {
		helper_log(r->tracee->helper, "the copy takes the GIL");
		return copy_state_call_first(r, ensure, 0, 0, &value, err);
	}
	/* whoever asks for the GIL of an ending interpreter is ended */
	helper_log(r->tracee->helper, "the copy borrows a thread state");
	if (copy_state_call_first(r, interpreter, 0, 0, &value, err) ||
	    copy_state_call_first(r, thread, value, 0, &value, err))
		return -1;
	return value ? copy_state_call_first(r, swap, value, 0, &value, err) : 0;
}
