/* SPDX-License-Identifier: MIT */
/* cpu_x86_64 - see cpu.h. */
#include "agent/base/cpu.h"

#include <sys/syscall.h>

#include "agent/base/sys_note.h"

enum { CPU_SHSTK_STATUS = 0x5005 }; /* ARCH_SHSTK_STATUS, <asm/prctl.h> */

long cpu_call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

__asm__(".text\n.hidden cpu_clone\n.globl cpu_clone\n"
	".type cpu_clone,@function\n"
	"cpu_clone:\n"
	"\tmov %rdx, %r10\n"
	"\txor %edx, %edx\n"
	"\txor %r8d, %r8d\n"
	"\tmov $56, %eax\n"
	"\tsyscall\n"
	"\ttest %eax, %eax\n"
	"\tjz 1f\n"
	"\tret\n"
	"1:\txor %ebp, %ebp\n"
	"\tpop %rax\n"
	"\tpop %rdi\n"
	"\tcall *%rax\n"
	"\txor %edi, %edi\n"
	"\tmov $60, %eax\n"
	"\tsyscall\n"
	"\tud2\n"
	".size cpu_clone,.-cpu_clone\n");

__asm__(".text\n.hidden cpu_sigreturn\n.globl cpu_sigreturn\n"
	".type cpu_sigreturn,@function\n"
	"cpu_sigreturn:\n"
	"\tmov $15, %eax\n"
	"\tsyscall\n"
	".size cpu_sigreturn,.-cpu_sigreturn\n");

void cpu_pause(void)
{
	__builtin_ia32_pause();
}

/* The first word of the thread's block is its own address (ELF TLS, variant II). */
uint64_t cpu_self_pointer(void)
{
	uint64_t at;

	__asm__ volatile("mov %%fs:0, %0" : "=r"(at));
	return at;
}

bool cpu_shadow_stack(void)
{
	uint64_t features = 0;

	sys_note(SYS_arch_prctl);
	cpu_call(SYS_arch_prctl, CPU_SHSTK_STATUS, (long)&features, 0, 0, 0, 0);
	return features != 0;
}
