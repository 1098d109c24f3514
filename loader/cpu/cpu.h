/* SPDX-License-Identifier: MIT */
/*
 * cpu - everything that depends on the processor, behind one interface; one file a
 * processor implements it: CMake takes cpu/PROCESSOR.c, named as uname(2) does.  What
 * instructions look like is in code.h.
 */
#ifndef PYMEM_LOADER_CPU_CPU_H
#define PYMEM_LOADER_CPU_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#define CPU_XSTATE_MAX 16384 /* AMX: 11,008 bytes; SVE with 2,048 bits: 8,768 */
#define CPU_FRAME_MAX (CPU_XSTATE_MAX + 2048)
#define CPU_EXIT_MAX 1280
#define CPU_STUB_MAX 256

/* The registers that a system call or a call of a function changes. */
#if defined(__x86_64__)
struct cpu_regs {
	struct user_regs_struct general;
};
#elif defined(__aarch64__)
struct cpu_regs {
	struct user_regs_struct general;
	uint64_t thread_pointer; /* with those that cpu_save reads */
	int64_t call;		 /* -1: none, as far as can be seen */
	uint64_t first;		 /* argument of the call, if `known` */
	bool restarts;		 /* pc is at the call, which is made (again) */
	bool known;		 /* it was blocked in the call: cpu_set_wait */
	bool rewound;		 /* cpu_rewind_syscall */
	bool uncallable;	 /* in a mode that no function expects */
};
#else
#error "pymem-load knows x86-64 and aarch64 only"
#endif

/* What a thread must get back to the last bit. */
struct cpu_state {
	struct cpu_regs regs;
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

/*
 * Offset in glibc's struct pthread, which pthread_self() points to, of its member list
 * (list_t: next, prev), behind which the tid lies (int, as the thread itself counts).
 */
extern const uint16_t cpu_pthread_list;
/* Size of a pthread_mutex_t of glibc: sysdeps/.../bits/pthreadtypes-arch.h. */
extern const uint16_t cpu_mutex_bytes;

/*
 * What a thread is blocked in, as /proc/PID/task/TID/syscall tells; sp and pc are its
 * own, pc behind the instruction.  Where the registers of a stopped thread no longer tell
 * which system call it was in (cpu_forgets_call), this is read before the stop.
 */
struct cpu_wait {
	int64_t nr; /* -1: none */
	uint64_t arg[6];
	uint64_t sp, pc;
};
extern const bool cpu_forgets_call;
/*
 * For registers of an event stop whose thread was blocked in `wait` until it was asked to
 * stop, and called nothing since: completes them, if they look so.
 */
void cpu_set_wait(struct cpu_regs *regs, const struct cpu_wait *wait);

/* Registers of a stopped thread: 0 or a negative errno. */
int cpu_get_regs(pid_t tid, struct cpu_regs *regs);
int cpu_set_regs(pid_t tid, const struct cpu_regs *regs);
/* Everything but the signal mask. */
int cpu_save(pid_t tid, struct cpu_state *state);
/* Extended state (vector registers); the general ones go with cpu_set_regs. */
int cpu_restore_xstate(pid_t tid, const struct cpu_state *state);

/* Where the thread goes on, its stack, its thread-local storage. */
uint64_t cpu_pc(const struct cpu_regs *regs);
uint64_t cpu_sp(const struct cpu_regs *regs);
uint64_t cpu_tls_pointer(const struct cpu_regs *regs);
/* Where a function returns to that hasn't saved that on the stack; 0: always saved. */
uint64_t cpu_link(const struct cpu_regs *regs);
/* Number of the system call the thread was stopped in, -1 = in user code. */
long cpu_syscall(const struct cpu_regs *regs);
uint64_t cpu_syscall_arg(const struct cpu_regs *regs, int index);
int64_t cpu_syscall_result(const struct cpu_regs *regs);
/* A thread in a mode that we can't call into (32-bit code, a guarded stack...). */
bool cpu_foreign_mode(const struct cpu_regs *regs);
/*
 * The interrupted system call would end in EINTR: makes the registers restart it from
 * scratch.  False: they don't say enough.
 */
bool cpu_rewind_syscall(struct cpu_regs *regs);
/*
 * Do registers that are given back make a call, the interrupted one once more or the
 * thread's next?  Then a signal that is handled before that doesn't end it, as it would
 * have there.  False where the kernel has yet to decide about a restart.
 */
bool cpu_calls_again(const struct cpu_regs *regs);
/* Such a call: does a handler end it in EINTR, with SA_RESTART too? signal(7) */
bool cpu_ends_by_handler(const struct cpu_regs *regs);
/* Is a thread about to make the call that the registers `call` lead to? */
bool cpu_is_before(const struct cpu_regs *now, const struct cpu_regs *call);
/* At the exit of a call that ended in EINTR: it is made again if no handler runs. */
void cpu_restart_unless_handled(struct cpu_regs *regs);

/*
 * Number of the call by which the kernel will go on with the interrupted one when the
 * thread is let go: the same, or restart_syscall(2) for one with a time limit; -1: none.
 */
long cpu_restart_call(const struct cpu_regs *regs);
/*
 * For registers that are given back: a call with a time limit goes on for the rest of it.
 * Where the kernel sees to that itself, nothing.
 */
void cpu_keep_time_limit(struct cpu_regs *regs);
/* Makes the interrupted system call return EINTR. */
void cpu_interrupt_syscall(struct cpu_regs *regs);

/*
 * Registers to run one system call at `gadget`, on the stack of an emergency or exit
 * frame, with which the gadget's return goes to the restorer.
 */
void cpu_set_syscall(struct cpu_regs *regs, uint64_t gadget, uint64_t sp,
		     uint64_t restorer, long nr, const uint64_t arg[6]);
/*
 * Registers to run the stub: stack top, address of the struct cpu_call, number of
 * operations behind it, address of the emergency frame's context (0 = none) and of
 * __errno_location (0 = none).
 */
void cpu_set_call(struct cpu_regs *regs, uint64_t stub, uint64_t stack_top,
		  uint64_t block, unsigned ops, uint64_t frame, uint64_t errno_location);
/* The stub's code; size in bytes; *marker: offset of its marker call's return. */
const uint8_t *cpu_stub(size_t *size, size_t *marker);

/*
 * The emergency frame: if the tracer dies, the gadget's return goes to the restorer,
 * whose rt_sigreturn restores the thread from the frame.  Builds it to lie at an address
 * <= top; returns its size and the address in *addr_ret, 0 if the state doesn't fit buf.
 */
size_t cpu_frame_build(const struct cpu_state *state, uint64_t top, uint64_t restorer,
		       uint8_t buf[CPU_FRAME_MAX], uint64_t *addr_ret);
/* The same for a copy, to lie below top: there the return ends in a call of `leave`. */
size_t cpu_exit_build(uint64_t top, uint64_t leave, uint8_t buf[CPU_EXIT_MAX],
		      uint64_t *addr_ret);
/* Stack pointer with which rt_sigreturn takes the emergency frame at addr. */
uint64_t cpu_frame_context(uint64_t addr);
/* Bytes below sp that belong to the running function. */
uint64_t cpu_red_zone(void);

#endif
