/* SPDX-License-Identifier: MIT */
/*
 * diagnose - turns "Operation not permitted" into its cause and remedy.
 *
 * The rules are those of ptrace(2), "Ptrace access mode checking", in the
 * kernel's order: uid and capability, dumpable, then the security modules (Yama,
 * SELinux, AppArmor), and a seccomp filter around ourselves.
 */
#ifndef PYMEM_LOADER_TARGET_DIAGNOSE_H
#define PYMEM_LOADER_TARGET_DIAGNOSE_H

#include "loader/target/process.h"

/* Name (comm) of pymem-load's tracing helper. */
#define DIAGNOSE_HELPER "pymem-tracer"

/* Access was refused with errno `sys`: fills *err, returns -1. */
int diagnose_refusal(const struct process *process, int sys, struct load_error *err);
/*
 * States in which nothing may or can be done: kernel thread, zombie, traced.
 * 0 = none of them, else -1 and *err.
 */
int diagnose_state(const struct process *process, struct load_error *err);
/* Does pid share its memory with its parent (a vfork child before exec)? */
bool diagnose_vfork_child(const struct process *process);

#endif
