/* SPDX-License-Identifier: MIT */
/* allowed - see allowed.h. */
#include "loader/inject/allowed.h"

#include <sys/syscall.h>

#include "loader/target/call_name.h"
#include "loader/target/seccomp.h"
#include "loader/target/seccomp_own.h"

static bool allowed_softly(pid_t pid)
{
	return seccomp_own_around(pid) && seccomp_own_harmless();
}

bool allowed_preloaded(pid_t pid)
{
	return !seccomp_confines(pid) || allowed_softly(pid);
}

int allowed_process(struct target *target, struct load_error *err)
{
	if (!target->confined || seccomp_may_read())
		return 0;
	target->confined_softly = allowed_softly(target->pid);
	if (target->confined_softly)
		return 0;
	return load_fail(
		err, LOAD_E_PERMISSION, 0,
		"process %d has a seccomp filter that can't be read without "
		"CAP_SYS_ADMIN: a call that it forbids might end the process; run "
		"pymem-load as root, outside of any container",
		target->pid);
}

static int allowed_refuse(const struct tracee *t, long nr, const char *remedy,
			  struct load_error *err)
{
	char name[64];
	const bool ends = seccomp_worst(&t->seccomp, nr) == FILTER_ENDS;

	return load_fail(err, LOAD_E_STATE, 0,
			 "the seccomp filter of process %d %s at a call that it forbids, "
			 "the first being %s: %s",
			 t->pid, ends ? "ends it" : "has it wait for a supervisor",
			 call_name(nr, name, sizeof(name)), remedy);
}

/* C libraries end the process where some calls are refused (futex, rseq). */
static int allowed_agent_calls(const struct tracee *t, const struct agent_image *image,
			       struct load_error *err)
{
	char name[64];

	for (size_t i = 0; i < image->call_count; i++)
		if (seccomp_refuses(&t->seccomp, (long)image->calls[i]))
			return load_fail(
				err, LOAD_E_STATE, 0,
				"the seccomp filter of process %d refuses %s, "
				"which an agent in it needs; --method=external "
				"suspends the filter",
				t->pid,
				call_name((long)image->calls[i], name, sizeof(name)));
	return 0;
}

int allowed_agent(const struct tracee *t, const struct agent_image *image,
		  struct load_error *err)
{
	long nr;

	if (!seccomp_reaches(&t->seccomp, FILTER_WAITS, &nr))
		return image ? allowed_agent_calls(t, image, err) : 0;
	return allowed_refuse(t, nr,
			      "no agent is run there; if you trust the process, "
			      "--method=external walks a copy without the filter",
			      err);
}

int allowed_removal(const struct tracee *t, struct load_error *err)
{
	long nr;

	if (!seccomp_reaches(&t->seccomp, FILTER_WAITS, &nr))
		return 0;
	return allowed_refuse(t, nr,
			      "the agent, which was there before the filter, isn't taken "
			      "out of the process and stays there, idle",
			      err);
}

int allowed_copy_code(const struct tracee *t, const struct agent_image *image,
		      bool *suspend_ret, struct load_error *err)
{
	struct load_error refused = { 0 };
	long nr;

	*suspend_ret = seccomp_reaches(&t->seccomp, FILTER_WAITS, &nr) ||
		allowed_agent_calls(t, image, &refused);
	if (!*suspend_ret || t->helper->options->unfiltered)
		return 0;
	return load_fail(
		err, LOAD_E_STATE, 0,
		"the seccomp filter of process %d forbids what a copy needs, and "
		"without it the copy could do whatever the process may not; if you "
		"trust the process, --method=external suspends the filter in the "
		"copy",
		t->pid);
}

int allowed_copy(const struct tracee *t, bool suspended, struct load_error *err)
{
	long nr;
	char name[64];

	if (!suspended && seccomp_reaches(&t->seccomp, FILTER_WAITS, &nr))
		return allowed_refuse(t, nr,
				      "and this kernel can't suspend it "
				      "(CONFIG_CHECKPOINT_RESTORE)",
				      err);
	/* by which the thread gets its registers back should we be killed */
	if (seccomp_worst(&t->seccomp, SYS_rt_sigreturn) == FILTER_ALLOWS)
		return 0;
	return load_fail(
		err, LOAD_E_STATE, 0,
		"the seccomp filter of process %d forbids %s, without which it "
		"would not survive the end of pymem-load while a thread is stopped",
		t->pid, call_name(SYS_rt_sigreturn, name, sizeof(name)));
}
