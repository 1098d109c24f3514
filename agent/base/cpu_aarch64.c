/* SPDX-License-Identifier: MIT */
/* cpu_aarch64 - see cpu.h. */
#include "agent/base/cpu.h"

#include <stdint.h>

/*
 * The stack protector's word, which the compiler looks for in a variable here (on x86 it
 * is at %fs:40).  glibc has it in ld-linux-aarch64.so.1, musl in its libc: a library that
 * asked for it would need that file by name, and load with one C library only.  Also
 * libffi and zstd, which are linked in, use this one.
 */
__attribute__((visibility("hidden"))) uintptr_t __stack_chk_guard = 0x00ff0a0d5bd1e995;

long cpu_call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

__asm__(".text\n.hidden cpu_clone\n.globl cpu_clone\n"
	".type cpu_clone,%function\n"
	"cpu_clone:\n"
	"\tmov x4, x2\n"
	"\tmov x2, xzr\n"
	"\tmov x3, xzr\n"
	"\tmov x8, 220\n"
	"\tsvc 0\n"
	"\tcbz x0, 1f\n"
	"\tret\n"
	"1:\tmov x29, xzr\n"
	"\tldp x9, x0, [sp], 16\n"
	"\tblr x9\n"
	"\tmov x0, xzr\n"
	"\tmov x8, 93\n"
	"\tsvc 0\n"
	"\tbrk 0\n"
	".size cpu_clone,.-cpu_clone\n");

__asm__(".text\n.hidden cpu_sigreturn\n.globl cpu_sigreturn\n"
	".type cpu_sigreturn,%function\n"
	"cpu_sigreturn:\n"
	"\tmov x8, 139\n"
	"\tsvc 0\n"
	".size cpu_sigreturn,.-cpu_sigreturn\n");

void cpu_pause(void)
{
	__asm__ volatile("yield");
}

uint64_t cpu_self_pointer(void)
{
	uint64_t at;

	__asm__ volatile("mrs %0, tpidr_el0" : "=r"(at));
	return at;
}

/* The guarded control stack is a mapping that /proc shows with a size of its own
 * (arch/arm64/mm/gcs.c); no thread has one unless its program asked for it. */
bool cpu_shadow_stack(void)
{
	return false;
}
