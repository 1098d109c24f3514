/* SPDX-License-Identifier: MIT */
/* filter - see filter.h. */
#include "loader/target/filter.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "loader/cpu/cpu.h"

/* ---- one call ---- */

static bool filter_load(const struct seccomp_data *data, uint32_t at, uint32_t *ret)
{
	if (at % 4 || at > sizeof(*data) - 4)
		return false;
	memcpy(ret, (const char *)data + at, 4);
	return true;
}

static bool filter_alu(uint16_t op, uint32_t operand, uint32_t *a)
{
	switch (op) {
	case BPF_ADD:
		*a += operand;
		return true;
	case BPF_SUB:
		*a -= operand;
		return true;
	case BPF_MUL:
		*a *= operand;
		return true;
	case BPF_DIV:
		*a = operand ? *a / operand : 0;
		return operand != 0;
	case BPF_OR:
		*a |= operand;
		return true;
	case BPF_AND:
		*a &= operand;
		return true;
	case BPF_XOR:
		*a ^= operand;
		return true;
	case BPF_LSH:
		*a = operand < 32 ? *a << operand : 0;
		return true;
	case BPF_RSH:
		*a = operand < 32 ? *a >> operand : 0;
		return true;
	case BPF_NEG:
		*a = 0u - *a;
		return true;
	default:
		return false;
	}
}

static bool filter_jumps(uint16_t op, uint32_t a, uint32_t operand)
{
	switch (op) {
	case BPF_JEQ:
		return a == operand;
	case BPF_JGT:
		return a > operand;
	case BPF_JGE:
		return a >= operand;
	default:
		return (a & operand) != 0; /* BPF_JSET */
	}
}

uint32_t filter_run(const struct sock_filter *code, size_t count,
		    const struct seccomp_data *data)
{
	uint32_t a = 0, x = 0, memory[BPF_MEMWORDS] = { 0 };

	assert(count <= FILTER_MAX);
	for (size_t pc = 0; pc < count; pc++) {
		const struct sock_filter *f = &code[pc];
		const uint16_t op = BPF_OP(f->code);
		const uint32_t operand = BPF_SRC(f->code) == BPF_X ? x : f->k;
		uint32_t *to = BPF_CLASS(f->code) == BPF_LDX ? &x : &a;

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
		case BPF_LDX:
			if (BPF_MODE(f->code) == BPF_IMM)
				*to = f->k;
			else if (BPF_MODE(f->code) == BPF_LEN)
				*to = sizeof(*data);
			else if (BPF_MODE(f->code) == BPF_MEM && f->k < BPF_MEMWORDS)
				*to = memory[f->k];
			else if (BPF_MODE(f->code) != BPF_ABS ||
				 !filter_load(data, f->k, to))
				return SECCOMP_RET_KILL_PROCESS;
			break;
		case BPF_ST:
		case BPF_STX:
			if (f->k >= BPF_MEMWORDS)
				return SECCOMP_RET_KILL_PROCESS;
			memory[f->k] = BPF_CLASS(f->code) == BPF_ST ? a : x;
			break;
		case BPF_ALU:
			if (!filter_alu(op, operand, &a))
				return SECCOMP_RET_KILL_PROCESS;
			break;
		case BPF_JMP:
			if (op == BPF_JA)
				pc += f->k;
			else
				pc += filter_jumps(op, a, operand) ? f->jt : f->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? a : f->k;
		default:
			if (BPF_MISCOP(f->code) == BPF_TAX)
				x = a;
			else
				a = x;
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}

enum filter_effect filter_effect(uint32_t action)
{
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		return FILTER_ALLOWS;
	case SECCOMP_RET_ERRNO:
	case SECCOMP_RET_TRACE:
		return FILTER_REFUSES;
	case SECCOMP_RET_USER_NOTIF:
		return FILTER_WAITS;
	default: /* also what is no action: the kernel kills */
		return FILTER_ENDS;
	}
}

/* ---- any call ---- */

struct filter_range {
	uint32_t low, high;
};

static const struct filter_range filter_anything = { 0, UINT32_MAX };

struct filter_state {
	bool reached;
	struct filter_range a, x;
};

struct filter_pass {
	const struct sock_filter *code;
	size_t count;
	struct filter_range calls;
	enum filter_effect worst;
	bool may_pass; /* an answer that isn't a refusal is possible */
	struct filter_state state[FILTER_MAX];
};

static struct filter_range filter_one(uint32_t value)
{
	return (struct filter_range){ value, value };
}

static bool filter_known(struct filter_range r)
{
	return r.low == r.high;
}

static void filter_join(struct filter_range *to, struct filter_range from)
{
	to->low = from.low < to->low ? from.low : to->low;
	to->high = from.high > to->high ? from.high : to->high;
}

/* Control may come to pc with this state. */
static void filter_reach(struct filter_pass *p, uint64_t pc, const struct filter_state *s)
{
	if (pc >= p->count) {
		p->worst = FILTER_ENDS; /* malformed */
		return;
	}
	struct filter_state *to = &p->state[pc];
	if (!to->reached) {
		*to = *s;
		to->reached = true;
		return;
	}
	filter_join(&to->a, s->a);
	filter_join(&to->x, s->x);
}

/* A word of struct seccomp_data; false: there is none at this place. */
static bool filter_load_range(const struct filter_pass *p, uint32_t at,
			      struct filter_range *ret)
{
	if (at % 4 || at > sizeof(struct seccomp_data) - 4)
		return false;
	*ret = at == offsetof(struct seccomp_data, nr)	  ? p->calls :
		at == offsetof(struct seccomp_data, arch) ? filter_one(cpu_audit_arch) :
							    filter_anything;
	return true;
}

/* false: the program ends there, as one that divides by nothing. */
static bool filter_alu_range(uint16_t op, struct filter_range operand,
			     struct filter_range *a)
{
	uint32_t one = 1;

	if (!filter_alu(op, 1, &one)) /* no operation of a filter's */
		return false;
	if (op == BPF_NEG)
		operand = filter_one(0);
	if (op == BPF_DIV && !operand.low)
		return false;
	if (filter_known(*a) && filter_known(operand)) {
		const bool good = filter_alu(op, operand.low, &a->low);

		a->high = a->low;
		return good;
	}
	if (op == BPF_AND)
		*a = (struct filter_range){ 0,
					    a->high < operand.high ? a->high :
								     operand.high };
	else if (op == BPF_RSH && filter_known(operand) && operand.low < 32)
		*a = (struct filter_range){ a->low >> operand.low,
					    a->high >> operand.low };
	else
		*a = filter_anything;
	return true;
}

/* May a comparison with k come out as `taken`? If so, *a is what it leaves of a. */
static bool filter_may(uint16_t op, uint32_t k, bool taken, struct filter_range *a)
{
	struct filter_range r = *a;

	switch (op) {
	case BPF_JEQ:
		if (taken) {
			*a = filter_one(k);
			return r.low <= k && k <= r.high;
		}
		if (filter_known(r))
			return r.low != k;
		a->low += r.low == k;
		a->high -= r.high == k;
		return true;
	case BPF_JGE:
		if (k == 0)
			return taken;
		k--; /* a >= k: a > k - 1 */
		__attribute__((fallthrough));
	case BPF_JGT:
		if (taken) {
			a->low = r.low > k ? r.low : k + 1;
			return r.high > k;
		}
		a->high = r.high < k ? r.high : k;
		return r.low <= k;
	default: /* BPF_JSET */
		if (filter_known(r))
			return ((r.low & k) != 0) == taken;
		/* below k's lowest bit none is set */
		return !taken || (k && r.high >= (k & (0u - k)));
	}
}

static void filter_branch(struct filter_pass *p, size_t pc, const struct filter_state *s)
{
	const struct sock_filter *f = &p->code[pc];
	const uint16_t op = BPF_OP(f->code);

	if (op == BPF_JA) {
		filter_reach(p, (uint64_t)pc + 1 + f->k, s);
		return;
	}
	const struct filter_range operand =
		BPF_SRC(f->code) == BPF_X ? s->x : filter_one(f->k);
	for (int taken = 0; taken < 2; taken++) {
		struct filter_state then = *s;

		if (!filter_known(operand) || filter_may(op, operand.low, taken, &then.a))
			filter_reach(p, (uint64_t)pc + 1 + (taken ? f->jt : f->jf),
				     &then);
	}
}

static void filter_end(struct filter_pass *p, const struct sock_filter *f,
		       struct filter_range a)
{
	const bool open = BPF_RVAL(f->code) == BPF_A && !filter_known(a);
	const enum filter_effect effect = open ?
		FILTER_ENDS :
		filter_effect(BPF_RVAL(f->code) == BPF_A ? a.low : f->k);

	if (effect > p->worst)
		p->worst = effect;
	const uint32_t action = BPF_RVAL(f->code) == BPF_A ? a.low : f->k;
	if (effect != FILTER_REFUSES || action == (SECCOMP_RET_ERRNO | ENOSYS))
		p->may_pass = true;
}

static void filter_step(struct filter_pass *p, size_t pc)
{
	const struct sock_filter *f = &p->code[pc];
	struct filter_state s = p->state[pc];
	struct filter_range *to = BPF_CLASS(f->code) == BPF_LDX ? &s.x : &s.a;
	bool good = true;

	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
	case BPF_LDX:
		if (BPF_MODE(f->code) == BPF_IMM)
			*to = filter_one(f->k);
		else if (BPF_MODE(f->code) == BPF_LEN)
			*to = filter_one(sizeof(struct seccomp_data));
		else if (BPF_MODE(f->code) == BPF_MEM && f->k < BPF_MEMWORDS)
			*to = filter_anything;
		else
			good = BPF_MODE(f->code) == BPF_ABS &&
				filter_load_range(p, f->k, to);
		break;
	case BPF_ST:
	case BPF_STX:
		good = f->k < BPF_MEMWORDS;
		break;
	case BPF_ALU:
		good = filter_alu_range(
			BPF_OP(f->code),
			BPF_SRC(f->code) == BPF_X ? s.x : filter_one(f->k), &s.a);
		break;
	case BPF_JMP:
		filter_branch(p, pc, &s);
		return;
	case BPF_RET:
		filter_end(p, f, s.a);
		return;
	default:
		if (BPF_MISCOP(f->code) == BPF_TAX)
			s.x = s.a;
		else
			s.a = s.x;
	}
	if (good)
		filter_reach(p, (uint64_t)pc + 1, &s);
	else
		p->worst = FILTER_ENDS;
}

/* Follows all ways that the calls first..last can take. */
static void filter_follow(struct filter_pass *p, const struct sock_filter *code,
			  size_t count, uint32_t first, uint32_t last)
{
	p->code = code;
	p->count = count;
	p->calls = (struct filter_range){ first, last };
	p->worst = !count || count > FILTER_MAX ? FILTER_ENDS : FILTER_ALLOWS;
	p->may_pass = false;
	for (size_t pc = 0; pc < count && pc < FILTER_MAX; pc++)
		p->state[pc].reached = false;
	p->state[0] = (struct filter_state){ true, filter_one(0), filter_one(0) };
	for (size_t pc = 0; pc < count && p->worst < FILTER_ENDS; pc++)
		if (p->state[pc].reached)
			filter_step(p, pc);
}

enum filter_effect filter_worst(const struct sock_filter *code, size_t count,
				uint32_t first, uint32_t last)
{
	struct filter_pass p;

	filter_follow(&p, code, count, first, last);
	return p.worst;
}

bool filter_refuses(const struct sock_filter *code, size_t count, uint32_t nr)
{
	struct filter_pass p;

	filter_follow(&p, code, count, nr, nr);
	return p.worst < FILTER_ENDS && !p.may_pass;
}
