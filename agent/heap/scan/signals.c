/* SPDX-License-Identifier: MIT */
/*
 * signals - what Python calls when a signal arrives (signals.h).
 *
 * A static array in Modules/signalmodule.c up to 3.11, a part of _PyRuntime since
 * (pycore_signal.h): for each signal, from 0 on, {int tripped; PyObject *func}.
 * Signal 0 has none; every other one has an object, and most the same: what stands for
 * SIG_DFL.
 */
#include "agent/heap/scan/signals.h"

#include <signal.h>
#include <stdio.h>

#include "agent/heap/core/events.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/strings.h"
#include "agent/python/object.h"

enum {
	SIGNALS_ALIKE = 32, /* so many at least have no handler */
	SIGNALS_NAMED = 32, /* below: by name; from SIGRTMIN on by distance */
	SIGNALS_RTMIN = 34, /* both C libraries keep two (signal(7)) */
};

static const char *const signals_names[SIGNALS_NAMED] = {
	[SIGHUP] = "SIGHUP",	 [SIGINT] = "SIGINT",	    [SIGQUIT] = "SIGQUIT",
	[SIGILL] = "SIGILL",	 [SIGTRAP] = "SIGTRAP",	    [SIGABRT] = "SIGABRT",
	[SIGBUS] = "SIGBUS",	 [SIGFPE] = "SIGFPE",	    [SIGUSR1] = "SIGUSR1",
	[SIGSEGV] = "SIGSEGV",	 [SIGUSR2] = "SIGUSR2",	    [SIGPIPE] = "SIGPIPE",
	[SIGALRM] = "SIGALRM",	 [SIGTERM] = "SIGTERM",	    [SIGCHLD] = "SIGCHLD",
	[SIGCONT] = "SIGCONT",	 [SIGTSTP] = "SIGTSTP",	    [SIGTTIN] = "SIGTTIN",
	[SIGTTOU] = "SIGTTOU",	 [SIGURG] = "SIGURG",	    [SIGXCPU] = "SIGXCPU",
	[SIGXFSZ] = "SIGXFSZ",	 [SIGVTALRM] = "SIGVTALRM", [SIGPROF] = "SIGPROF",
	[SIGWINCH] = "SIGWINCH", [SIGIO] = "SIGIO",	    [SIGPWR] = "SIGPWR",
	[SIGSYS] = "SIGSYS",
};

static uint64_t signals_handler(uint64_t table, unsigned number)
{
	return peek64(table + (uint64_t)number * SIGNALS_ENTRY + 8);
}

/* Tests that most words fail first. */
static bool signals_is_table(struct walk *w, uint64_t at)
{
	const uint64_t usual = signals_handler(at, SIGNALS_COUNT - 1);
	unsigned alike = 0;

	if (!usual || !sound_to_follow(w, usual))
		return false;
	for (unsigned i = 1; i < SIGNALS_COUNT; i++) {
		const uint64_t handler = signals_handler(at, i);

		if (!handler || peek32(at + (uint64_t)i * SIGNALS_ENTRY) > 1)
			return false;
		alike += handler == usual;
	}
	for (unsigned i = 1; i < SIGNALS_COUNT; i++)
		if (signals_handler(at, i) != usual &&
		    !sound_to_follow(w, signals_handler(at, i)))
			return false;
	return alike >= SIGNALS_ALIKE;
}

static uint32_t signals_name(struct walk *w, unsigned number)
{
	char text[40];

	if (number < SIGNALS_NAMED && signals_names[number])
		snprintf(text, sizeof(text), "signal handler %s", signals_names[number]);
	else if (number >= SIGNALS_RTMIN)
		snprintf(text, sizeof(text), "signal handler SIGRTMIN+%u",
			 number - SIGNALS_RTMIN);
	else
		snprintf(text, sizeof(text), "signal handler %u", number);
	return strings_add_text(w, text);
}

uint64_t signals_table_at(struct walk *w, uint64_t at)
{
	uint64_t count;

	if (!signals_is_table(w, at))
		return 0;
	for (unsigned i = 1; i < SIGNALS_COUNT && !w->err; i++) {
		const uint64_t handler = signals_handler(at, i);

		if (object_count(w->lay, handler, &count) != OBJECT_IMMORTAL)
			events_root(w, SNAP_ROOT_INTERPRETER, 0, 0, 0, signals_name(w, i),
				    handler);
	}
	return at + SIGNALS_COUNT * SIGNALS_ENTRY;
}
