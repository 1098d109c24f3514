/* SPDX-License-Identifier: MIT */
/* remote_dlopen - see remote_dlopen.h. */
#include "loader/inject/remote_dlopen.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "loader/inject/remote_call.h"
#include "loader/target/limits.h"
#include "loader/target/memory.h"

#define INTERNAL_DLOPEN 0x80000000u /* __RTLD_DLOPEN of __libc_dlopen_mode */

int remote_dlopen_arguments(struct remote *r, const char *path, uint64_t arg[4],
			    struct load_error *err)
{
	const struct target_calls *c = &r->tracee->helper->target->calls;

	arg[0] = remote_push(r, path, strlen(path) + 1);
	arg[1] = RTLD_NOW | RTLD_LOCAL | (c->internal_dlopen ? INTERNAL_DLOPEN : 0);
	arg[2] = arg[3] = 0;
	if (!arg[0])
		return load_fail(err, LOAD_E_SYSTEM, errno,
				 "the target can't be written to");
	return 0;
}

int remote_dlopen_failed(struct remote *r, const char *who, unsigned timeout_ms,
			 struct load_error *err)
{
	const struct target_calls *c = &r->tracee->helper->target->calls;
	const uint64_t none[4] = { 0 };
	char text[300] = "";
	uint64_t message = 0;

	if (c->dlerror && !c->internal_dlopen &&
	    remote_call(r, c->dlerror, none, timeout_ms, &message, err))
		return -1;
	if (message)
		memory_read_string(&r->tracee->mem, message, text, sizeof(text));
	char limits[200] = "";
	if (!r->copy)
		limits_words(r->tracee->pid, limits, sizeof(limits));
	return load_fail(err, LOAD_E_CALL, 0, "%s could not load the agent: %s%s%s", who,
			 text[0] ? text : "dlopen failed without a reason",
			 limits[0] ? ": " : "", limits);
}
