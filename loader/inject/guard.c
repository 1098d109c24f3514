/* SPDX-License-Identifier: MIT */
/* guard - see guard.h. */
#include "loader/inject/guard.h"

#include "loader/target/seccomp.h"

int guard_seccomp(const struct tracee *t, bool agent, struct load_error *err)
{
	const struct process *p = &t->errand->target->process;
	const char *culprit;
	enum seccomp_verdict verdict = seccomp_judge(t->tid, p, agent, &culprit);
	if (verdict == SECCOMP_FINE)
		return 0;
	if (verdict == SECCOMP_KILLS)
		return load_fail(err, LOAD_E_STATE, 0,
				 "the seccomp filter of process %d would kill it for a "
				 "call of %s: %s",
				 p->pid, culprit,
				 agent ? "--method=external runs nothing in it" :
					 "only a start with LD_PRELOAD is possible");
	if (seccomp_is_container(p)) {
		errand_log(t->errand,
			   "seccomp: a container's filter, taken for harmless");
		return 0;
	}
	return load_fail(err, LOAD_E_STATE, 0,
			 "process %d has a seccomp filter that can't be read without "
			 "CAP_SYS_ADMIN: a call that it forbids might kill the process; "
			 "run pymem-load as root",
			 p->pid);
}
