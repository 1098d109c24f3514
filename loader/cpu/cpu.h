/* SPDX-License-Identifier: MIT */
/*
 * cpu - everything that depends on the processor, behind one interface; one file a
 * processor implements it: CMake takes cpu/PROCESSOR.c, named as uname(2) does.
 */
#ifndef PYMEM_LOADER_CPU_CPU_H
#define PYMEM_LOADER_CPU_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#define CPU_XSTATE_MAX 16384 /* AMX: 11,008 bytes */
#define CPU_FRAME_MAX (CPU_XSTATE_MAX + 1024)
#define CPU_STUB_MAX 256

/* What a thread must get back to the last bit. */
struct cpu_state {
	struct user_regs_struct regs;
	uint8_t xstate[CPU_XSTATE_MAX];
	size_t xstate_size;
	uint64_t sigmask;
};

/*
 * One run of the stub: a call, then system calls.  The block lies in the target, the
 * operations right behind it; the stub saves and restores errno around the call,
 * writes the results, sets done, and waits for the tracer for `spins` rounds.
 */
struct cpu_call {
	uint64_t arg[4];
	uint64_t function; /* 0 = no call */
	uint64_t result;
	uint64_t spins; /* 1: the tracer stops it at the marker itself */
	uint64_t done;
};

/* One system call of a run. */
struct cpu_op {
	int64_t nr;
	uint64_t arg[6];
	int64_t result; /* or -errno */
};

extern const uint16_t cpu_elf_machine; /* EM_* */
extern const uint32_t cpu_audit_arch;  /* AUDIT_ARCH_*, as seccomp filters see it */
/* Is the static TLS of the libraries below the thread pointer (variant II)? */
extern const bool cpu_tls_below;

/* glibc's struct pthread, which pthread_self() points to: offsets in it. */
struct cpu_pthread {
	uint16_t self; /* a pointer to itself */
	uint16_t tid;  /* int, as the thread itself counts */
};
extern const struct cpu_pthread cpu_pthread;

/* Registers of a stopped thread: 0 or a negative errno. */
int cpu_get_regs(pid_t tid, struct user_regs_struct *regs);
int cpu_set_regs(pid_t tid, const struct user_regs_struct *regs);
/* Everything but the signal mask. */
int cpu_save(pid_t tid, struct cpu_state *state);
/* Extended state (vector registers); the general ones go with cpu_set_regs. */
int cpu_restore_xstate(pid_t tid, const struct cpu_state *state);

/* Where the thread goes on, its stack, its thread-local storage. */
uint64_t cpu_pc(const struct user_regs_struct *regs);
uint64_t cpu_sp(const struct user_regs_struct *regs);
uint64_t cpu_tls_pointer(const struct user_regs_struct *regs);
/* Number of the system call the thread was stopped in, -1 = in user code. */
long cpu_syscall(const struct user_regs_struct *regs);
uint64_t cpu_syscall_arg(const struct user_regs_struct *regs, int index);
int64_t cpu_syscall_result(const struct user_regs_struct *regs);
/* A thread in a mode that we can't call into (32-bit code). */
bool cpu_foreign_mode(const struct user_regs_struct *regs);
/*
 * If the interrupted system call would end in EINTR instead of being restarted
 * and `rewind` is harmless for it, makes the registers restart it from scratch.
 */
void cpu_rewind_syscall(struct user_regs_struct *regs);

/*
 * Number of the call by which the kernel will go on with the interrupted one when the
 * thread is let go: the same, or restart_syscall(2) for one with a time limit; -1: none.
 */
long cpu_restart_call(const struct user_regs_struct *regs);
/* Makes the interrupted system call return EINTR. */
void cpu_interrupt_syscall(struct user_regs_struct *regs);

/* Registers to run one system call at `gadget`; sp: where its `ret` pops from. */
void cpu_set_syscall(struct user_regs_struct *regs, uint64_t gadget, uint64_t sp, long nr,
		     const uint64_t arg[6]);
/*
 * Registers to run the stub: stack top, address of the struct cpu_call, number of
 * operations behind it, address of the emergency frame's context (0 = none) and of
 * __errno_location (0 = none).
 */
void cpu_set_call(struct user_regs_struct *regs, uint64_t stub, uint64_t stack_top,
		  uint64_t block, unsigned ops, uint64_t frame, uint64_t errno_location);
/* The stub's code; size in bytes; *marker: offset of its marker call's return. */
const uint8_t *cpu_stub(size_t *size, size_t *marker);

/*
 * The emergency frame: if the tracer dies, `ret` at frame + 0 goes to the
 * restorer, whose rt_sigreturn restores the thread from the rest.  Builds it to
 * lie at an address <= top; returns its size and the address in *addr_ret, 0 if
 * the state doesn't fit buf.
 */
size_t cpu_frame_build(const struct cpu_state *state, uint64_t top, uint64_t restorer,
		       uint8_t buf[CPU_FRAME_MAX], uint64_t *addr_ret);
/* Address of the context inside a frame at addr. */
uint64_t cpu_frame_context(uint64_t addr);
/* Bytes below sp that belong to the running function. */
uint64_t cpu_red_zone(void);

/* First `syscall; return` in code, or (size_t)-1. */
size_t cpu_find_gadget(const uint8_t *code, size_t size);
/* First rt_sigreturn trampoline at or after `from`, or (size_t)-1. */
size_t cpu_find_restorer(const uint8_t *code, size_t size, size_t from);
/*
 * For a function at addr that just loads a variable and returns it: where that
 * is, namely at (indirect ? *(uint64_t *)address : address) + offset.
 */
struct cpu_load {
	uint64_t address;
	bool indirect;
	int64_t offset;
};
bool cpu_loaded_variable(const uint8_t *code, size_t size, uint64_t addr,
			 struct cpu_load *ret);
/* Does a call instruction end at code + offset? */
bool cpu_after_call(const uint8_t *code, size_t offset);

#endif
