/* SPDX-License-Identifier: MIT */
/* trigger - see trigger.h. */
#include "agent/trigger/trigger.h"

#include <unistd.h>

#include "agent/base/libc_arena.h"
#include "agent/base/sys.h"
#include "agent/base/phrase.h"
#include "agent/trigger/allowance.h"
#include "agent/trigger/destination.h"
#include "agent/snap/reserve.h"
#include "agent/trigger/hooks.h"
#include "agent/trigger/manner.h"
#include "agent/trigger/notice.h"
#include "agent/trigger/trigger_capture.h"
#include "agent/trigger/viewer_process.h"
#include "agent/trigger/watch.h"

extern int Py_IsInitialized(void) __attribute__((weak));
/* glibc's; the handlers go when the library with this handle is unloaded.  musl has
 * none: there a child of the application takes no snapshots by itself. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void),
			     void (*child)(void), void *handle) __attribute__((weak));
extern void *__dso_handle;

static struct trigger_config config;
static bool armed;
static int owner; /* process that is armed */

/* In a child the application forked: our thread isn't here. */
static void trigger_forked(void)
{
	if (!armed)
		return;
	owner = sys_getpid();
	trigger_capture_forget();
	viewer_process_forget();
	allowance_forget();
	reserve_release(); /* the parent's; ours is taken when the child is whole */
	watch_forget();
}

static bool trigger_configure(void)
{
	char err[512];
	const int rc = config_read(environ, &config, err, sizeof(err));
	long bad;

	if (rc < 0) {
		notice_say(err, "no snapshots will be taken");
		return false;
	}
	if (err[0])
		notice_say(err, NULL);
	if (rc == 0)
		return false;
	if (config.summary && !viewer_process_find(config.viewer, environ))
		notice_say(
			"PYMEM_OUTPUT: a summary is made by pymem-view, which isn't "
			"beside the agent nor in PATH, or isn't what PYMEM_VIEW names; "
			"snapshots will stay, of which pymem-view --export summary "
			"makes one",
			NULL);
	bad = destination_check(&config);
	if (bad < 0) {
		notice_say_cause("PYMEM_OUTPUT: nothing can be written there, no "
				 "snapshots will be taken",
				 config.output, bad);
		return false;
	}
	return true;
}

void trigger_init(control_socket_start *start)
{
	if (!Py_IsInitialized || !trigger_configure())
		return;
	libc_arena_learn();
	manner_reserve(&config);
	if (watch_start(&config, start) < 0) {
		notice_say("no thread could be made, no snapshots will be taken", NULL);
		return;
	}
	armed = true;
	owner = sys_getpid();
	if (__register_atfork)
		__register_atfork(NULL, NULL, trigger_forked, &__dso_handle);
}

void trigger_exit(void)
{
	if (!armed || owner != sys_getpid())
		return; /* a child by vfork ends: not ours to clean */
	const char *const missed = hooks_missed_exit(&config);
	if (missed)
		notice_say("no snapshot at exit", missed);
	trigger_capture_exit();
	watch_exit();
}
