/* SPDX-License-Identifier: MIT */
/*
 * x86_64 - see cpu.h.
 *
 * Sources: arch/x86/include/uapi/asm/{sigcontext.h,ucontext.h}, kernel/signal_64.c
 * and fpu/signal.c (what rt_sigreturn accepts), kernel/ptrace.c, entry/common.c
 * (restart codes); System V ABI for the call.
 */
#include "loader/cpu/cpu.h"

#include <assert.h>
#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define FP_XSTATE_MAGIC1 0x46505853u
#define FP_XSTATE_MAGIC2 0x46505845u
#define FXSAVE_SIZE 512
#define XSTATE_HEADER_END 576
#define CS_64BIT 0x33
#define EFLAGS_TF 0x100u
#define EFLAGS_DF 0x400u
#define EFLAGS_AC 0x40000u

/* Restart codes of include/linux/errno.h: never seen by a program. */
enum { ERESTARTSYS = 512, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK = 516 };

const uint16_t cpu_elf_machine = EM_X86_64;
const uint32_t cpu_audit_arch = AUDIT_ARCH_X86_64;
const bool cpu_tls_below = true;
/* behind a header of 704 bytes: since 2.11 (nptl/descr.h, sysdeps/x86_64/nptl/tls.h) */
const uint16_t cpu_pthread_list = 704;
const uint16_t cpu_mutex_bytes = 40;
const bool cpu_forgets_call = false; /* orig_rax */

void cpu_set_wait(struct cpu_regs *regs, const struct cpu_wait *wait)
{
	(void)regs;
	(void)wait;
}

int cpu_get_regs(pid_t tid, struct cpu_regs *regs)
{
	struct iovec iov = { &regs->general, sizeof(regs->general) };

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &iov))
		return -errno;
	return iov.iov_len == sizeof(regs->general) ?
		0 :
		-EMEDIUMTYPE; /* a 32-bit thread's is shorter */
}

int cpu_set_regs(pid_t tid, const struct cpu_regs *regs)
{
	struct cpu_regs copy = *regs;
	struct iovec iov = { &copy.general, sizeof(copy.general) };

	return ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &iov) ? -errno : 0;
}

int cpu_save(pid_t tid, struct cpu_state *s)
{
	int error = cpu_get_regs(tid, &s->regs);

	if (error)
		return error;
	struct iovec iov = { s->xstate, sizeof(s->xstate) };
	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_X86_XSTATE, &iov))
		return -errno;
	if (iov.iov_len < XSTATE_HEADER_END || iov.iov_len == sizeof(s->xstate))
		return -E2BIG; /* it may have been cut: we could not give it back */
	s->xstate_size = iov.iov_len;
	return 0;
}

int cpu_restore_xstate(pid_t tid, const struct cpu_state *s)
{
	uint8_t copy[CPU_XSTATE_MAX];

	memcpy(copy, s->xstate, s->xstate_size);
	struct iovec iov = { copy, s->xstate_size };
	return ptrace(PTRACE_SETREGSET, tid, (void *)NT_X86_XSTATE, &iov) ? -errno : 0;
}

uint64_t cpu_pc(const struct cpu_regs *regs)
{
	return regs->general.rip;
}

uint64_t cpu_sp(const struct cpu_regs *regs)
{
	return regs->general.rsp;
}

uint64_t cpu_tls_pointer(const struct cpu_regs *regs)
{
	return regs->general.fs_base;
}

uint64_t cpu_link(const struct cpu_regs *regs)
{
	(void)regs;
	return 0;
}

long cpu_syscall(const struct cpu_regs *regs)
{
	return (long)regs->general.orig_rax < 0 ? -1 : (long)regs->general.orig_rax;
}

uint64_t cpu_syscall_arg(const struct cpu_regs *regs, int index)
{
	const uint64_t arg[6] = {
		regs->general.rdi, regs->general.rsi, regs->general.rdx,
		regs->general.r10, regs->general.r8,  regs->general.r9
	};

	return index >= 0 && index < 6 ? arg[index] : 0;
}

int64_t cpu_syscall_result(const struct cpu_regs *regs)
{
	return (int64_t)regs->general.rax;
}

bool cpu_foreign_mode(const struct cpu_regs *regs)
{
	return regs->general.cs != CS_64BIT;
}

/* As if the call had said so: the kernel has yet to decide (arch/x86/kernel/signal.c). */
void cpu_restart_unless_handled(struct cpu_regs *regs)
{
	regs->general.rax = (unsigned long long)-ERESTARTNOHAND;
}

bool cpu_rewind_syscall(struct cpu_regs *regs)
{
	cpu_restart_unless_handled(regs);
	return true;
}

bool cpu_calls_again(const struct cpu_regs *regs)
{
	(void)regs;
	return false;
}

bool cpu_ends_by_handler(const struct cpu_regs *regs)
{
	(void)regs;
	return false;
}

bool cpu_is_before(const struct cpu_regs *now, const struct cpu_regs *call)
{
	(void)now;
	(void)call;
	return false;
}

/* The restart code in rax is given back with the rest. */
void cpu_keep_time_limit(struct cpu_regs *regs)
{
	(void)regs;
}

long cpu_restart_call(const struct cpu_regs *regs)
{
	const int64_t code = -cpu_syscall_result(regs);

	if (cpu_syscall(regs) < 0)
		return -1;
	if (code == ERESTART_RESTARTBLOCK)
		return SYS_restart_syscall;
	return code == ERESTARTSYS || code == ERESTARTNOINTR || code == ERESTARTNOHAND ?
		cpu_syscall(regs) :
		-1;
}

void cpu_interrupt_syscall(struct cpu_regs *regs)
{
	regs->general.rax = (unsigned long long)-EINTR;
	regs->general.orig_rax = (unsigned long long)-1;
}

void cpu_set_syscall(struct cpu_regs *regs, uint64_t gadget, uint64_t sp,
		     uint64_t restorer, long nr, const uint64_t arg[6])
{
	(void)restorer; /* the frame's first word */
	regs->general.rip = gadget;
	regs->general.rsp = sp;
	regs->general.rax = (unsigned long long)nr;
	regs->general.orig_rax =
		(unsigned long long)-1; /* or the kernel "restarts": rip -= 2 */
	regs->general.rdi = arg[0];
	regs->general.rsi = arg[1];
	regs->general.rdx = arg[2];
	regs->general.r10 = arg[3];
	regs->general.r8 = arg[4];
	regs->general.r9 = arg[5];
	regs->general.eflags &= ~(unsigned long long)(EFLAGS_TF | EFLAGS_DF);
}

/*
 * The stub.  rbx = struct cpu_call, rbp = number of struct cpu_op behind it, r12 =
 * context of the emergency frame (or 0), r13 = __errno_location (or 0); calls keep
 * all four.  The real `call` keeps a shadow stack balanced.
 *
 * Then the block is marked as done, and the thread waits for us in the marker:
 * read(-1, 0, 0), allowed by every seccomp filter, without effect, no wait that a
 * restart of the interrupted system call would depend on; `spins` times.  Behind it,
 * for a tracer that died: switch to the frame and rt_sigreturn.
 */
static const uint8_t stub[] = {
	0x4d, 0x31, 0xff,		       /* xor %r15, %r15 */
	0x4d, 0x85, 0xed,		       /* test %r13, %r13 */
	0x74, 0x09,			       /* jz 1f */
	0x41, 0xff, 0xd5,		       /* call *%r13 */
	0x49, 0x89, 0xc7,		       /* mov %rax, %r15 */
	0x44, 0x8b, 0x30,		       /* mov (%rax), %r14d */
	0x48, 0x8b, 0x3b,		       /* 1: mov (%rbx), %rdi */
	0x48, 0x8b, 0x73, 0x08,		       /* mov 8(%rbx), %rsi */
	0x48, 0x8b, 0x53, 0x10,		       /* mov 16(%rbx), %rdx */
	0x48, 0x8b, 0x4b, 0x18,		       /* mov 24(%rbx), %rcx */
	0x48, 0x8b, 0x43, 0x20,		       /* mov 32(%rbx), %rax */
	0x48, 0x85, 0xc0,		       /* test %rax, %rax */
	0x74, 0x06,			       /* jz 2f */
	0xff, 0xd0,			       /* call *%rax */
	0x48, 0x89, 0x43, 0x28,		       /* mov %rax, 40(%rbx) */
	0x4d, 0x85, 0xff,		       /* 2: test %r15, %r15 */
	0x74, 0x03,			       /* jz 3f */
	0x45, 0x89, 0x37,		       /* mov %r14d, (%r15) */
	0x4c, 0x8d, 0x6b, 0x40,		       /* 3: lea 64(%rbx), %r13 */
	0x48, 0x85, 0xed,		       /* 4: test %rbp, %rbp */
	0x74, 0x2b,			       /* jz 5f */
	0x49, 0x8b, 0x45, 0x00,		       /* mov (%r13), %rax */
	0x49, 0x8b, 0x7d, 0x08,		       /* mov 8(%r13), %rdi */
	0x49, 0x8b, 0x75, 0x10,		       /* mov 16(%r13), %rsi */
	0x49, 0x8b, 0x55, 0x18,		       /* mov 24(%r13), %rdx */
	0x4d, 0x8b, 0x55, 0x20,		       /* mov 32(%r13), %r10 */
	0x4d, 0x8b, 0x45, 0x28,		       /* mov 40(%r13), %r8 */
	0x4d, 0x8b, 0x4d, 0x30,		       /* mov 48(%r13), %r9 */
	0x0f, 0x05,			       /* syscall */
	0x49, 0x89, 0x45, 0x38,		       /* mov %rax, 56(%r13) */
	0x49, 0x83, 0xc5, 0x40,		       /* add $64, %r13 */
	0x48, 0xff, 0xcd,		       /* dec %rbp */
	0xeb, 0xd0,			       /* jmp 4b */
	0x4c, 0x8b, 0x73, 0x30,		       /* 5: mov 48(%rbx), %r14 */
	0x48, 0xc7, 0x43, 0x38, 1,    0, 0, 0, /* movq $1, 56(%rbx) */
	0x31, 0xc0,			       /* 6: xor %eax, %eax */
	0xbf, 0xff, 0xff, 0xff, 0xff,	       /* mov $-1, %edi */
	0x31, 0xf6,			       /* xor %esi, %esi */
	0x31, 0xd2,			       /* xor %edx, %edx */
	0x0f, 0x05,			       /* syscall */
#define STUB_MARKER 0x84		       /* address after the marker */
	0x49, 0xff, 0xce,		       /* dec %r14 */
	0x7f, 0xee,			       /* jg 6b */
	0x4c, 0x89, 0xe4,		       /* mov %r12, %rsp */
	0xb8, 0x0f, 0x00, 0x00, 0x00,	       /* mov $15, %eax */
	0x0f, 0x05,			       /* syscall: rt_sigreturn */
	0x0f, 0x0b,			       /* ud2 */
};
_Static_assert(sizeof(stub) == STUB_MARKER + 17, "marker offset");
_Static_assert(sizeof(stub) <= CPU_STUB_MAX, "stub size");
_Static_assert(offsetof(struct cpu_call, function) == 32 &&
		       offsetof(struct cpu_call, result) == 40 &&
		       offsetof(struct cpu_call, spins) == 48 &&
		       offsetof(struct cpu_call, done) == 56 &&
		       sizeof(struct cpu_call) == 64,
	       "the stub knows the block");
_Static_assert(offsetof(struct cpu_op, arg) == 8 && sizeof(struct cpu_op) == 64 &&
		       offsetof(struct cpu_op, result) == 56,
	       "and the operations");

const uint8_t *cpu_stub(size_t *size, size_t *marker)
{
	*size = sizeof(stub);
	*marker = STUB_MARKER;
	return stub;
}

void cpu_set_call(struct cpu_regs *regs, uint64_t stub_addr, uint64_t stack_top,
		  uint64_t block, unsigned ops, uint64_t frame, uint64_t errno_location)
{
	assert(stack_top % 16 == 0);
	regs->general.rip = stub_addr;
	regs->general.rsp =
		stack_top & ~(uint64_t)15; /* aligned before the call instruction */
	regs->general.rbp = ops;
	regs->general.rbx = block;
	regs->general.r12 = frame;
	regs->general.r13 = errno_location;
	regs->general.rax = 0;
	regs->general.orig_rax = (unsigned long long)-1;
	regs->general.eflags &= ~(unsigned long long)(EFLAGS_TF | EFLAGS_DF | EFLAGS_AC);
}

uint64_t cpu_red_zone(void)
{
	return 128;
}

/* ---- the emergency frame ---- */

/* arch/x86/include/uapi/asm/ucontext.h and sigcontext.h, 64-bit. */
struct frame_context {
	uint64_t flags, link;
	uint64_t ss_sp;
	int32_t ss_flags, pad;
	uint64_t ss_size;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t di, si, bp, bx, dx, ax, cx, sp, ip, eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
	uint64_t sigmask;
};
_Static_assert(sizeof(struct frame_context) == 304, "struct ucontext of x86-64");

struct frame {
	uint64_t pretcode;
	struct frame_context context;
};

/* struct _fpx_sw_bytes, in the last bytes of the fxsave area. */
struct fpx_sw {
	uint32_t magic1, extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size, pad[7];
};
_Static_assert(sizeof(struct fpx_sw) == 48, "struct _fpx_sw_bytes");

/*
 * Bytes of the standard-format xsave area that hold every feature in `bits`.
 * rt_sigreturn ignores everything above SSE if the size it's told exceeds the
 * task's own, so the smallest that holds what is in use is given.
 */
static size_t cpu_xstate_extent(uint64_t bits)
{
	size_t extent = XSTATE_HEADER_END;

	for (unsigned i = 2; i < 63; i++) {
		unsigned a, b, c, d;

		if (!(bits >> i & 1) || !__get_cpuid_count(0xd, i, &a, &b, &c, &d))
			continue;
		if (c & 1)
			continue; /* a supervisor state: never in a user's area */
		if ((size_t)a + b > extent)
			extent = (size_t)a + b;
	}
	return extent;
}

/* What the interrupted system call must look like when no kernel restarts it for us. */
static void cpu_frame_registers(const struct user_regs_struct *r, struct frame_context *c)
{
	c->r8 = r->r8;
	c->r9 = r->r9;
	c->r10 = r->r10;
	c->r11 = r->r11;
	c->r12 = r->r12;
	c->r13 = r->r13;
	c->r14 = r->r14;
	c->r15 = r->r15;
	c->di = r->rdi;
	c->si = r->rsi;
	c->bp = r->rbp;
	c->bx = r->rbx;
	c->dx = r->rdx;
	c->ax = r->rax;
	c->cx = r->rcx;
	c->sp = r->rsp;
	c->ip = r->rip;
	c->eflags = r->eflags;
	c->cs = (uint16_t)r->cs;
	c->ss = (uint16_t)r->ss;
	if ((long)r->orig_rax < 0)
		return;
	switch (-(long)r->rax) {
	case ERESTARTSYS:
	case ERESTARTNOINTR:
	case ERESTARTNOHAND:
		c->ax = r->orig_rax;
		c->ip -= 2;
		break;
	case ERESTART_RESTARTBLOCK:
		c->ax = (uint64_t)-EINTR; /* rt_sigreturn forgets the restart block */
		break;
	default:
		break;
	}
}

size_t cpu_frame_build(const struct cpu_state *s, uint64_t top, uint64_t restorer,
		       uint8_t buf[CPU_FRAME_MAX], uint64_t *addr_ret)
{
	uint64_t bits;

	assert(top > CPU_FRAME_MAX);
	memcpy(&bits, s->xstate + FXSAVE_SIZE, sizeof(bits));
	size_t extent = cpu_xstate_extent(bits);
	if (extent > s->xstate_size)
		return 0;
	size_t head = (sizeof(struct frame) + 63) & ~(size_t)63;
	size_t size = head + extent + sizeof(uint32_t);
	if (size > CPU_FRAME_MAX)
		return 0;
	uint64_t addr = (top - size) & ~(uint64_t)63;
	memset(buf, 0, size);
	struct frame f = { .pretcode = restorer };
	f.context.flags = 7; /* UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS */
	f.context.ss_flags = -1; /* invalid: the thread's alternate stack is left alone */
	f.context.fpstate = addr + head;
	f.context.sigmask = s->sigmask;
	cpu_frame_registers(&s->regs.general, &f.context);
	memcpy(buf, &f, sizeof(f));
	memcpy(buf + head, s->xstate, extent);
	struct fpx_sw sw = { .magic1 = FP_XSTATE_MAGIC1,
			     .xfeatures = bits | 3,
			     .extended_size = (uint32_t)extent + 4,
			     .xstate_size = (uint32_t)extent };
	memcpy(buf + head + FXSAVE_SIZE - sizeof(sw), &sw, sizeof(sw));
	const uint32_t magic2 = FP_XSTATE_MAGIC2;
	memcpy(buf + head + extent, &magic2, sizeof(magic2));
	*addr_ret = addr;
	return size;
}

size_t cpu_exit_build(uint64_t top, uint64_t leave, uint8_t buf[CPU_EXIT_MAX],
		      uint64_t *addr_ret)
{
	*addr_ret = (top - 16) & ~(uint64_t)15;
	memcpy(buf, &leave, sizeof(leave));
	return sizeof(leave);
}

uint64_t cpu_frame_context(uint64_t addr)
{
	return addr + offsetof(struct frame, context);
}
