/* SPDX-License-Identifier: MIT */
/*
 * cpu - what the agent must know of the CPU: all of it is here and in one file a CPU
 * (cpu_x86_64.c, cpu_aarch64.c), of which the build takes the one it builds for.
 * Another CPU: such a file, and a paragraph here.
 */
#ifndef PYMEM_AGENT_BASE_CPU_H
#define PYMEM_AGENT_BASE_CPU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * CPU_ADDRESS_BITS	addresses of user space are below 1 << this
 *			(Documentation/arch/{x86/x86_64/mm,arm64/memory}.rst)
 * CPU_LIBC_VERSION	the oldest symbol version of glibc's functions (sysdeps/ABI)
 * CPU_PTHREAD_TID	offset of tid in glibc's struct pthread (nptl/descr.h, behind
 *			a header whose size differs: sysdeps' tls.h); since 2.4
 */
#if defined(__x86_64__)
#define CPU_ADDRESS_BITS 47
#define CPU_LIBC_VERSION "GLIBC_2.2.5"
#define CPU_PTHREAD_TID 720
#elif defined(__aarch64__)
#define CPU_ADDRESS_BITS 48
#define CPU_LIBC_VERSION "GLIBC_2.17"
#define CPU_PTHREAD_TID 208
#else
#error "the agent knows x86-64 and aarch64 only"
#endif

#define CPU_ADDRESS_END (1ULL << CPU_ADDRESS_BITS)

/* A system call; what the kernel returns: -4095..-1 is a negative errno. */
long cpu_call(long nr, long a, long b, long c, long d, long e, long f);

/*
 * clone(2) onto a stack of its own.  Two words lie at stack, which is a multiple of
 * 16: the address of a function and its argument.  The new thread or process calls
 * it, and ends when it returns.  child_tid: for CLONE_CHILD_CLEARTID.  In the caller:
 * the id, or a negative errno.
 */
long cpu_clone(unsigned long flags, void *stack, _Atomic(uint32_t) *child_tid);

/* A signal handler's return address (SA_RESTORER): rt_sigreturn(2). Never called. */
void cpu_sigreturn(void);

/* In a loop that waits for another CPU. */
void cpu_pause(void);

/* The thread pointer: where thread-local storage is found from. */
uint64_t cpu_self_pointer(void);

/* Has this thread a shadow stack, a mapping that the maps do not tell from others? */
bool cpu_shadow_stack(void);

#endif
