/* SPDX-License-Identifier: MIT */
/*
 * code_aarch64 - see code.h.  Encodings: Arm Architecture Reference Manual.
 *
 * Return addresses may be signed (PAC): everything above the 48 bits that the kernel
 * gives out without being asked for more is taken off.
 */
#include "loader/cpu/code.h"

#include <string.h>
#include <sys/syscall.h>

#define SVC 0xd4000001u
#define RET 0xd65f03c0u
#define IS_MOVZ_X8(word) (((word)&0x7fe0001fu) == 0x52800008u) /* mov w8 or x8, number */
#define ADDRESS_MASK ((1ull << 48) - 1)

static uint32_t code_instruction(const uint8_t *code, size_t at)
{
	uint32_t word;

	memcpy(&word, code + at, sizeof(word));
	return word;
}

/*
 * One whose call is a fixed one (getpid and the like) is preferred: a thread that waits
 * at the gadget itself would have its x8 replaced by the kernel (do_signal in
 * arch/arm64/kernel/signal.c).
 */
size_t code_find_gadget(const uint8_t *code, size_t size)
{
	size_t any = (size_t)-1;

	for (size_t i = 0; i + 8 <= size; i += 4) {
		if (code_instruction(code, i) != SVC ||
		    code_instruction(code, i + 4) != RET)
			continue;
		if (i >= 4 && IS_MOVZ_X8(code_instruction(code, i - 4)))
			return i;
		any = any == (size_t)-1 ? i : any;
	}
	return any;
}

bool code_after_cancellable(const uint8_t *code, size_t size, size_t offset)
{
	return offset >= 8 && offset + 4 <= size &&
		code_instruction(code, offset - 8) == 0xaa0703e5 && /* mov x5, x7 */
		code_instruction(code, offset - 4) == SVC &&
		code_instruction(code, offset) == RET;
}

size_t code_find_restorer(const uint8_t *code, size_t size, size_t from)
{
	const uint32_t number = SYS_rt_sigreturn;

	for (size_t i = (from + 3) & ~(size_t)3; i + 8 <= size; i += 4) {
		const uint32_t word = code_instruction(code, i);

		if (IS_MOVZ_X8(word) && (word >> 5 & 0xffff) == number &&
		    code_instruction(code, i + 4) == SVC)
			return i;
	}
	return (size_t)-1;
}

/* A register while a function is read: its value, or what was loaded from where. */
struct value {
	enum { VALUE_UNKNOWN, VALUE_NUMBER, VALUE_LOADED, VALUE_LOADED_TWICE } kind;
	uint64_t number; /* or the address of the (first) load */
	int64_t offset;	 /* of the second */
};

static int64_t code_sign_extend(uint64_t value, int bits)
{
	return (int64_t)(value << (64 - bits)) >> (64 - bits);
}

static struct value code_value_load(struct value base, uint64_t offset)
{
	switch (base.kind) {
	case VALUE_NUMBER:
		return (struct value){ VALUE_LOADED, base.number + offset, 0 };
	case VALUE_LOADED:
		return (struct value){ VALUE_LOADED_TWICE, base.number, (int64_t)offset };
	default:
		return (struct value){ 0 };
	}
}

/* adrp; add immediate; ldr, ldar, ldapr of 64 bits.  False: another instruction. */
static bool code_value_step(struct value x[32], uint32_t word, uint64_t pc)
{
	const unsigned d = word & 31, n = word >> 5 & 31;
	const uint64_t immediate = word >> 10 & 0xfff;

	if ((word & 0x9f000000u) == 0x90000000u) {
		const uint64_t pages =
			(uint64_t)(word >> 5 & 0x7ffff) << 2 | (word >> 29 & 3);

		x[d] = (struct value){
			VALUE_NUMBER,
			(pc & ~0xfffull) + (uint64_t)(code_sign_extend(pages, 21) * 4096),
			0
		};
	} else if ((word & 0xff800000u) == 0x91000000u && x[n].kind == VALUE_NUMBER) {
		x[d] = x[n];
		x[d].number += word & 1u << 22 ? immediate << 12 : immediate;
	} else if ((word & 0xffc00000u) == 0xf9400000u) {
		x[d] = code_value_load(x[n], immediate * 8);
	} else if ((word & 0xfffffc00u) == 0xc8dffc00u ||
		   (word & 0xfffffc00u) == 0xf8bfc000u) {
		x[d] = code_value_load(x[n], 0);
	} else {
		return false;
	}
	return true;
}

/*
 * adrp and add or ldr to a variable's address or (through the global offset table) its
 * base, ldr; around them a frame's set-up and hints (bti, paciasp).
 */
bool code_loaded_variable(const uint8_t *code, size_t size, uint64_t addr,
			  struct code_load *ret)
{
	struct value x[32] = { 0 };

	for (size_t i = 0; i + 4 <= size && i < 64; i += 4) {
		const uint32_t word = code_instruction(code, i);

		if (code_value_step(x, word, addr + i))
			continue;
		if (word == RET && x[0].kind >= VALUE_LOADED) {
			*ret = (struct code_load){ .address = x[0].number,
						   .indirect = x[0].kind ==
							   VALUE_LOADED_TWICE,
						   .offset = x[0].offset };
			return true;
		}
		if ((word & 0xfffff01fu) != 0xd503201fu && /* hint */
		    (word & 0xffc07fffu) != 0xa9807bfdu && /* stp x29, x30, [sp, n]! */
		    (word & 0xffc07fffu) != 0xa8c07bfdu && /* ldp x29, x30, [sp], n */
		    word != 0x910003fdu)		   /* mov x29, sp */
			return false;
	}
	return false;
}

/* bl; blr and those that check a signature (blraa, blrab, blraaz, blrabz). */
bool code_after_call(const uint8_t *code, size_t offset)
{
	if (offset < 4 || offset % 4)
		return false;
	const uint32_t word = code_instruction(code, offset - 4);
	return (word & 0xfc000000u) == 0x94000000u || (word & 0xfefff000u) == 0xd63f0000u;
}

uint64_t code_address(uint64_t word)
{
	return word & ADDRESS_MASK;
}
