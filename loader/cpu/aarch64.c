/* SPDX-License-Identifier: MIT */
/*
 * aarch64 - see cpu.h.
 *
 * Unlike elsewhere, the kernel decides about a restart before the event stop, and
 * forgets the call: at the stop pc is at the svc already, x0 is the first argument again,
 * and no register tells whether the call was made yet (do_signal in
 * arch/arm64/kernel/signal.c).  For what is restarted that makes no difference, since the
 * call is made from there either way.  One with a time limit is gone on with by x8 =
 * restart_syscall, as the kernel itself does if pc isn't changed; we do so only for a
 * thread that was seen in the call (cpu_set_wait).  Of a call that ended in EINTR the
 * first argument is lost, but for the same.
 *
 * BTYPE is cleared wherever we lead the thread, so that no landing pad (BTI) is asked
 * for; the stub's page has no PROT_BTI.  The call instruction of the stub is a real one.
 *
 * Sources: arch/arm64/include/uapi/asm/{ptrace.h,sigcontext.h,sve_context.h,ucontext.h},
 * kernel/{signal.c,ptrace.c,syscall.c}; Procedure Call Standard (AAPCS64).
 */
#include "loader/cpu/cpu.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

/* Register sets that an older <elf.h> has no name for. */
enum {
	SET_TLS = 0x401,
	SET_SYSTEM_CALL = 0x404,
	SET_SVE = 0x405,
	SET_SSVE = 0x40b, /* those of the streaming mode */
	SET_GCS = 0x410,  /* guarded control stack */
};

#define PSTATE_SS 0x200000ull
#define PSTATE_BTYPE 0xc00ull
/* include/linux/errno.h: never seen by a program */
enum { ERESTARTSYS = 512, ERESTARTNOHAND = 514 };

#define SVC 0xd4000001u

const uint16_t cpu_elf_machine = EM_AARCH64;
const uint32_t cpu_audit_arch = AUDIT_ARCH_AARCH64;
const bool cpu_tls_below = false;
/* behind void *__padding[24] (nptl/descr.h) */
const uint16_t cpu_pthread_list = 192;
const uint16_t cpu_mutex_bytes = 48;
const bool cpu_forgets_call = true;

/* struct user_fpsimd_state */
struct vectors {
	uint8_t v[32][16];
	uint32_t fpsr, fpcr, reserved[2];
};

/* struct user_sve_header, and where what it tells lies (SVE_PT_*) */
struct sve_header {
	uint32_t size, max_size;
	uint16_t length, max_length, flags, reserved;
};
enum { SVE_FLAG_REGS = 1, SVE_REGS = 16 };

/* Z0-31, P0-15 and FFR of a vector length in bytes. */
static size_t cpu_sve_size(size_t length)
{
	return 32 * length + 16 * (length / 8) + length / 8;
}

/* ---- registers ---- */

static int cpu_get_set(pid_t tid, int set, void *buf, size_t *size)
{
	struct iovec iov = { buf, *size };

	if (ptrace(PTRACE_GETREGSET, tid, (void *)(long)set, &iov))
		return -errno;
	*size = iov.iov_len;
	return 0;
}

int cpu_get_regs(pid_t tid, struct cpu_regs *regs)
{
	size_t size = sizeof(regs->general), call_size = sizeof(int);
	int call = -1;

	*regs = (struct cpu_regs){ .call = -1 };
	const int error = cpu_get_set(tid, NT_PRSTATUS, &regs->general, &size);
	if (error)
		return error;
	if (size != sizeof(regs->general))
		return -EMEDIUMTYPE; /* a 32-bit thread's is shorter */
	if (!cpu_get_set(tid, SET_SYSTEM_CALL, &call, &call_size) && call >= 0)
		regs->call = call;
	return 0;
}

int cpu_set_regs(pid_t tid, const struct cpu_regs *regs)
{
	struct user_regs_struct copy = regs->general;
	struct iovec iov = { &copy, sizeof(copy) };

	return ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &iov) ? -errno : 0;
}

/* At an event stop: by the instructions around pc. */
static void cpu_guess_call(pid_t tid, struct cpu_regs *regs)
{
	uint32_t code[2]; /* before pc, at pc */

	errno = 0;
	const long words =
		ptrace(PTRACE_PEEKDATA, tid, (void *)(regs->general.pc - 4), NULL);
	if (errno || regs->general.pc % 4)
		return;
	memcpy(code, &words, sizeof(code));
	if (code[1] == SVC) {
		regs->call = (int32_t)regs->general.regs[8];
		regs->restarts = true;
		regs->first = regs->general.regs[0];
		regs->known = false;
	} else if (code[0] == SVC && (int64_t)regs->general.regs[0] == -EINTR) {
		regs->call = (int32_t)regs->general.regs[8];
	}
}

/* The streaming mode knows other instructions, a guarded stack no return of ours. */
static bool cpu_is_uncallable(pid_t tid)
{
	struct sve_header streaming = { 0 };
	uint64_t guarded[3] = { 0 }; /* features enabled, locked; pointer */
	size_t size = sizeof(streaming);

	if (!cpu_get_set(tid, SET_SSVE, &streaming, &size) &&
	    (streaming.flags & SVE_FLAG_REGS))
		return true;
	size = sizeof(guarded);
	return !cpu_get_set(tid, SET_GCS, guarded, &size) && (guarded[0] & 1);
}

/* With SVE registers in use their set holds all; else the plain vector registers do. */
static int cpu_save_vectors(pid_t tid, struct cpu_state *s)
{
	struct sve_header header;
	size_t size = sizeof(s->xstate);

	if (!cpu_get_set(tid, SET_SVE, s->xstate, &size) && size >= sizeof(header)) {
		memcpy(&header, s->xstate, sizeof(header));
		if ((header.flags & SVE_FLAG_REGS) && size == sizeof(s->xstate))
			return -E2BIG; /* it may have been cut */
		s->xstate_size = size;
		if (header.flags & SVE_FLAG_REGS)
			return 0;
	}
	s->xstate_size = sizeof(struct vectors);
	return cpu_get_set(tid, NT_PRFPREG, s->xstate, &s->xstate_size);
}

static bool cpu_has_sve(const struct cpu_state *s)
{
	return s->xstate_size != sizeof(struct vectors);
}

int cpu_save(pid_t tid, struct cpu_state *s)
{
	size_t size = sizeof(s->regs.thread_pointer);
	int error = cpu_get_regs(tid, &s->regs);

	if (error)
		return error;
	if (s->regs.call < 0)
		cpu_guess_call(tid, &s->regs);
	error = cpu_get_set(tid, SET_TLS, &s->regs.thread_pointer, &size);
	s->regs.uncallable = cpu_is_uncallable(tid);
	return error ? error : cpu_save_vectors(tid, s);
}

int cpu_restore_xstate(pid_t tid, const struct cpu_state *s)
{
	uint8_t copy[CPU_XSTATE_MAX];
	const long set = cpu_has_sve(s) ? SET_SVE : NT_PRFPREG;

	memcpy(copy, s->xstate, s->xstate_size);
	struct iovec iov = { copy, s->xstate_size };
	return ptrace(PTRACE_SETREGSET, tid, (void *)set, &iov) ? -errno : 0;
}

uint64_t cpu_pc(const struct cpu_regs *regs)
{
	return regs->general.pc;
}

uint64_t cpu_sp(const struct cpu_regs *regs)
{
	return regs->general.sp;
}

uint64_t cpu_tls_pointer(const struct cpu_regs *regs)
{
	return regs->thread_pointer;
}

uint64_t cpu_link(const struct cpu_regs *regs)
{
	return regs->general.regs[30];
}

bool cpu_foreign_mode(const struct cpu_regs *regs)
{
	return regs->uncallable;
}

/* ---- the interrupted system call ---- */

void cpu_set_wait(struct cpu_regs *regs, const struct cpu_wait *wait)
{
	const unsigned long long *x = regs->general.regs;

	if (wait->nr != regs->call || wait->sp != regs->general.sp ||
	    wait->pc != regs->general.pc + (regs->restarts ? 4 : 0) ||
	    (regs->restarts && wait->arg[0] != x[0]))
		return;
	for (int i = 1; i < 6; i++)
		if (wait->arg[i] != x[i])
			return;
	regs->first = wait->arg[0];
	regs->known = true;
}

long cpu_syscall(const struct cpu_regs *regs)
{
	return regs->call < 0 ? -1 : (long)regs->call;
}

uint64_t cpu_syscall_arg(const struct cpu_regs *regs, int index)
{
	if (!index && regs->known)
		return regs->first;
	return index >= 0 && index < 6 ? regs->general.regs[index] : 0;
}

int64_t cpu_syscall_result(const struct cpu_regs *regs)
{
	return regs->restarts ? -ERESTARTSYS : (int64_t)regs->general.regs[0];
}

bool cpu_rewind_syscall(struct cpu_regs *regs)
{
	if (!regs->known || regs->restarts)
		return false;
	regs->general.regs[0] = regs->first;
	regs->general.pc -= 4;
	regs->restarts = regs->rewound = true;
	return true;
}

bool cpu_calls_again(const struct cpu_regs *regs)
{
	return regs->restarts;
}

/* Those that the kernel goes on with by restart_syscall(2): ERESTART_RESTARTBLOCK. */
static bool cpu_has_time_limit(const struct cpu_regs *regs)
{
	const uint64_t flags = cpu_syscall_arg(regs, 1);

	switch (regs->call) {
	case SYS_nanosleep:
		return true;
	case SYS_clock_nanosleep:
		return !(flags & TIMER_ABSTIME);
	case SYS_futex:
		return cpu_syscall_arg(regs, 3) &&
			((flags & FUTEX_CMD_MASK) == FUTEX_WAIT ||
			 (flags & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET);
	default:
		return false;
	}
}

/* ERESTARTNOHAND in fs/select.c, kernel/signal.c, ipc/msg.c; what we rewind: EINTR. */
bool cpu_ends_by_handler(const struct cpu_regs *regs)
{
	switch (regs->call) {
	case SYS_ppoll:
	case SYS_pselect6:
	case SYS_rt_sigsuspend:
	case SYS_msgrcv:
	case SYS_msgsnd:
		return true;
	default:
		return regs->rewound || cpu_has_time_limit(regs);
	}
}

bool cpu_is_before(const struct cpu_regs *now, const struct cpu_regs *call)
{
	return now->general.pc == call->general.pc && now->general.sp == call->general.sp;
}

void cpu_restart_unless_handled(struct cpu_regs *regs)
{
	regs->general.regs[0] = (unsigned long long)-ERESTARTNOHAND;
}

long cpu_restart_call(const struct cpu_regs *regs)
{
	if (regs->call < 0 || !regs->restarts)
		return -1;
	return cpu_has_time_limit(regs) ? SYS_restart_syscall : (long)regs->call;
}

void cpu_keep_time_limit(struct cpu_regs *regs)
{
	if (regs->known && regs->restarts && cpu_has_time_limit(regs))
		regs->general.regs[8] = SYS_restart_syscall;
}

void cpu_interrupt_syscall(struct cpu_regs *regs)
{
	if (!regs->restarts)
		return;
	regs->general.regs[0] = (unsigned long long)-EINTR;
	regs->general.regs[8] = (unsigned long long)regs->call; /* cpu_keep_time_limit */
	regs->general.pc += 4;
	regs->restarts = regs->rewound = false;
}

/* ---- calls ---- */

void cpu_set_syscall(struct cpu_regs *regs, uint64_t gadget, uint64_t sp,
		     uint64_t restorer, long nr, const uint64_t arg[6])
{
	struct user_regs_struct *g = &regs->general;

	assert(sp % 16 == 0);
	g->pc = gadget;
	g->sp = sp;
	g->regs[30] = restorer;
	g->regs[8] = (unsigned long long)nr;
	for (int i = 0; i < 6; i++)
		g->regs[i] = arg[i];
	g->pstate &= ~(PSTATE_SS | PSTATE_BTYPE);
}

/*
 * The stub.  x19 = struct cpu_call, x20 = number of struct cpu_op behind it, x21 =
 * emergency frame (or 0), x22 = __errno_location (or 0); calls keep all four.
 *
 * Then the block is marked as done, behind all that was written, and the thread waits
 * for us in the marker: read(-1, 0, 0), allowed by every seccomp filter, without effect,
 * no wait that a restart of the interrupted system call would depend on; `spins` times.
 * Behind it, for a tracer that died: switch to the frame and rt_sigreturn.
 */
__asm__(".pushsection .rodata\n"
	".balign 4\n"
	".hidden cpu_stub_code, cpu_stub_marker, cpu_stub_end\n"
	".globl cpu_stub_code, cpu_stub_marker, cpu_stub_end\n"
	"cpu_stub_code:\n"
	"\tmov x23, xzr\n"
	"\tcbz x22, 1f\n"
	"\tblr x22\n"
	"\tmov x23, x0\n"
	"\tldr w24, [x0]\n"
	"1:\tldp x0, x1, [x19]\n"
	"\tldp x2, x3, [x19, 16]\n"
	"\tldr x9, [x19, 32]\n"
	"\tcbz x9, 2f\n"
	"\tblr x9\n"
	"\tstr x0, [x19, 40]\n"
	"2:\tcbz x23, 3f\n"
	"\tstr w24, [x23]\n"
	"3:\tadd x22, x19, 64\n"
	"4:\tcbz x20, 5f\n"
	"\tldr x8, [x22]\n"
	"\tldp x0, x1, [x22, 8]\n"
	"\tldp x2, x3, [x22, 24]\n"
	"\tldp x4, x5, [x22, 40]\n"
	"\tsvc 0\n"
	"\tstr x0, [x22, 56]\n"
	"\tadd x22, x22, 64\n"
	"\tsub x20, x20, 1\n"
	"\tb 4b\n"
	"5:\tldr x24, [x19, 48]\n"
	"\tmov x9, 1\n"
	"\tadd x10, x19, 56\n"
	"\tstlr x9, [x10]\n"
	"6:\tmov x0, -1\n"
	"\tmov x1, xzr\n"
	"\tmov x2, xzr\n"
	"\tmov x8, 63\n"
	"\tsvc 0\n"
	"cpu_stub_marker:\n"
	"\tsubs x24, x24, 1\n"
	"\tb.gt 6b\n"
	"\tmov sp, x21\n"
	"\tmov x8, 139\n"
	"\tsvc 0\n"
	"\tbrk 0\n"
	"cpu_stub_end:\n"
	".popsection\n");
extern const uint8_t cpu_stub_code[], cpu_stub_marker[], cpu_stub_end[];

_Static_assert(SYS_read == 63 && SYS_rt_sigreturn == 139, "the stub's system calls");
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
	*size = (size_t)(cpu_stub_end - cpu_stub_code);
	*marker = (size_t)(cpu_stub_marker - cpu_stub_code);
	assert(*size <= CPU_STUB_MAX);
	return cpu_stub_code;
}

void cpu_set_call(struct cpu_regs *regs, uint64_t stub, uint64_t stack_top,
		  uint64_t block, unsigned ops, uint64_t frame, uint64_t errno_location)
{
	struct user_regs_struct *g = &regs->general;

	assert(stack_top % 16 == 0);
	g->pc = stub;
	g->sp = stack_top;
	g->regs[19] = block;
	g->regs[20] = ops;
	g->regs[21] = frame;
	g->regs[22] = errno_location;
	g->regs[29] = g->regs[30] = 0; /* the outermost frame */
	g->pstate &= ~(PSTATE_SS | PSTATE_BTYPE);
}

uint64_t cpu_red_zone(void)
{
	return 0;
}

/* ---- frames for rt_sigreturn ---- */

/* struct rt_sigframe up to the records of struct sigcontext */
struct frame {
	uint8_t info[128];
	uint64_t flags, link;
	uint64_t ss_sp;
	int32_t ss_flags, pad;
	uint64_t ss_size;
	uint64_t sigmask;
	uint8_t unused[128]; /* room for a larger mask, and up to a multiple of 16 */
	uint64_t fault_address, x[31], sp, pc, pstate, pad2;
};
_Static_assert(offsetof(struct frame, fault_address) == 128 + 176 &&
		       sizeof(struct frame) == 128 + 176 + 288,
	       "struct rt_sigframe of arm64");

struct record {
	uint32_t magic, size;
};
/* struct fpsimd_context, sve_context, extra_context */
struct fpsimd_record {
	struct record head;
	uint32_t fpsr, fpcr;
	uint8_t v[32][16];
};
struct sve_record {
	struct record head;
	uint16_t length, flags, reserved[2];
};
struct extra_record {
	struct record head;
	uint64_t data;
	uint32_t size, reserved[3];
};
#define FPSIMD_MAGIC 0x46508001u
#define SVE_MAGIC 0x53564501u
#define EXTRA_MAGIC 0x45585401u
#define RECORDS_MAX \
	4096	    /* of struct sigcontext itself; more are behind an extra_context */
#define END_SIZE 16 /* zeros */
_Static_assert(sizeof(struct fpsimd_record) == 528 && sizeof(struct extra_record) == 32 &&
		       sizeof(struct sve_record) == SVE_REGS,
	       "records");

static void cpu_frame_head(struct frame *f, const struct user_regs_struct *g,
			   uint64_t sigmask)
{
	*f = (struct frame){ .ss_flags = -1, /* invalid: the alternate stack stays */
			     .sigmask = sigmask,
			     .sp = g->sp,
			     .pc = g->pc,
			     .pstate = g->pstate };
	memcpy(f->x, g->regs, sizeof(f->x));
}

static struct fpsimd_record cpu_frame_fpsimd(const struct cpu_state *s)
{
	struct fpsimd_record r = { .head = { FPSIMD_MAGIC, sizeof(r) } };
	struct vectors vectors;

	if (!cpu_has_sve(s)) {
		memcpy(&vectors, s->xstate, sizeof(vectors));
		memcpy(r.v, vectors.v, sizeof(r.v));
		r.fpsr = vectors.fpsr;
		r.fpcr = vectors.fpcr;
		return r;
	}
	struct sve_header header;
	memcpy(&header, s->xstate, sizeof(header));
	const uint8_t *z = s->xstate + SVE_REGS;
	for (size_t i = 0; i < 32; i++)
		memcpy(r.v[i], z + i * header.length, sizeof(r.v[i]));
	const size_t status = (SVE_REGS + cpu_sve_size(header.length) + 15) & ~(size_t)15;
	memcpy(&r.fpsr, s->xstate + status, sizeof(r.fpsr));
	memcpy(&r.fpcr, s->xstate + status + 4, sizeof(r.fpcr));
	return r;
}

/* Bytes of the SVE record, 0 = none is needed. */
static size_t cpu_frame_sve_size(const struct cpu_state *s)
{
	struct sve_header header;

	if (!cpu_has_sve(s))
		return 0;
	memcpy(&header, s->xstate, sizeof(header));
	return (SVE_REGS + cpu_sve_size(header.length) + 15) & ~(size_t)15;
}

/* The registers lie in the record as in the register set. */
static void cpu_frame_sve(const struct cpu_state *s, size_t size, uint8_t *to)
{
	struct sve_header header;

	memcpy(&header, s->xstate, sizeof(header));
	const struct sve_record r = { .head = { SVE_MAGIC, (uint32_t)size },
				      .length = header.length };
	memcpy(to, &r, sizeof(r));
	memcpy(to + SVE_REGS, s->xstate + SVE_REGS, cpu_sve_size(header.length));
}

/*
 * Where the call is to be made again, the registers say so already; one with a time
 * limit is given its whole time again, as rt_sigreturn forgets what was left of it.
 */
size_t cpu_frame_build(const struct cpu_state *s, uint64_t top, uint64_t restorer,
		       uint8_t buf[CPU_FRAME_MAX], uint64_t *addr_ret)
{
	const size_t sve = cpu_frame_sve_size(s);
	const bool extra = sizeof(struct fpsimd_record) + sve + END_SIZE > RECORDS_MAX;
	size_t at = sizeof(struct frame) + sizeof(struct fpsimd_record);
	const size_t size = at + (extra ? sizeof(struct extra_record) + END_SIZE : 0) +
		sve + END_SIZE;

	(void)restorer; /* in the link register */
	assert(top > CPU_FRAME_MAX);
	if (size > CPU_FRAME_MAX)
		return 0;
	const uint64_t addr = (top - size) & ~(uint64_t)15;
	struct frame f;
	cpu_frame_head(&f, &s->regs.general, s->sigmask);
	memset(buf, 0, size);
	memcpy(buf, &f, sizeof(f));
	const struct fpsimd_record fpsimd = cpu_frame_fpsimd(s);
	memcpy(buf + sizeof(f), &fpsimd, sizeof(fpsimd));
	if (extra) {
		const struct extra_record r = {
			.head = { EXTRA_MAGIC, sizeof(r) },
			.data = addr + at + sizeof(r) + END_SIZE,
			.size = (uint32_t)(sve + END_SIZE),
		};
		memcpy(buf + at, &r, sizeof(r));
		at += sizeof(r) + END_SIZE;
	}
	if (sve)
		cpu_frame_sve(s, sve, buf + at);
	*addr_ret = addr;
	return size;
}

/* clone(2) returns to the same link register in both processes: the copy's stack holds
 * a frame, too. */
size_t cpu_exit_build(uint64_t top, uint64_t leave, uint8_t buf[CPU_EXIT_MAX],
		      uint64_t *addr_ret)
{
	const size_t size =
		sizeof(struct frame) + sizeof(struct fpsimd_record) + END_SIZE;
	const uint64_t addr = (top - size) & ~(uint64_t)15;
	const struct user_regs_struct g = { .sp = addr, .pc = leave };
	const struct fpsimd_record fpsimd = { .head = { FPSIMD_MAGIC, sizeof(fpsimd) } };
	struct frame f;

	_Static_assert(sizeof(f) + sizeof(fpsimd) + END_SIZE <= CPU_EXIT_MAX, "room");
	cpu_frame_head(&f, &g, ~0ull);
	memset(buf, 0, size);
	memcpy(buf, &f, sizeof(f));
	memcpy(buf + sizeof(f), &fpsimd, sizeof(fpsimd));
	*addr_ret = addr;
	return size;
}

uint64_t cpu_frame_context(uint64_t addr)
{
	return addr;
}
