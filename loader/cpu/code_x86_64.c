/* SPDX-License-Identifier: MIT */
/* code_x86_64 - see code.h. */
#include "loader/cpu/code.h"

#include <string.h>

size_t code_find_gadget(const uint8_t *code, size_t size)
{
	for (size_t i = 0; i + 3 <= size; i++)
		if (code[i] == 0x0f && code[i + 1] == 0x05 && code[i + 2] == 0xc3)
			return i;
	return (size_t)-1;
}

size_t code_find_restorer(const uint8_t *code, size_t size, size_t from)
{
	static const uint8_t long_form[] = {
		0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05
	};
	static const uint8_t short_form[] = { 0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05 };

	for (size_t i = from; i + sizeof(long_form) <= size; i++)
		if (!memcmp(code + i, long_form, sizeof(long_form)) ||
		    !memcmp(code + i, short_form, sizeof(short_form)))
			return i;
	return (size_t)-1;
}

bool code_after_cancellable(const uint8_t *code, size_t size, size_t offset)
{
	/* mov %r11, 8(%rsp); syscall; ret */
	static const uint8_t end[] = { 0x4c, 0x89, 0x5c, 0x24, 0x08, 0x0f, 0x05, 0xc3 };

	return offset >= sizeof(end) - 1 && offset < size &&
		!memcmp(code + offset - (sizeof(end) - 1), end, sizeof(end));
}

/* mov disp(%rax), %rax at p: its length and displacement; 0 = it isn't one. */
static size_t code_load_from_rax(const uint8_t *p, int64_t *offset)
{
	int32_t wide;

	if (p[0] != 0x48 || p[1] != 0x8b)
		return 0;
	switch (p[2]) {
	case 0x00:
		*offset = 0;
		return 3;
	case 0x40:
		*offset = (int8_t)p[3];
		return 4;
	case 0x80:
		memcpy(&wide, p + 3, sizeof(wide));
		*offset = wide;
		return 7;
	default:
		return 0;
	}
}

/*
 * Behind endbr64 or a frame's set-up: mov rel32(%rip), %rax (48 8b 05: the
 * variable, or through the global offset table its base), or lea rel32(%rip),
 * %rax (48 8d 05: the base); then mov disp(%rax), %rax if it was a base; ret.
 */
bool code_loaded_variable(const uint8_t *code, size_t size, uint64_t addr,
			  struct code_load *ret)
{
	for (size_t i = 0; i + 24 <= size && i < 24; i++) {
		int32_t relative;

		if (code[i] != 0x48 || code[i + 2] != 0x05 ||
		    (code[i + 1] != 0x8b && code[i + 1] != 0x8d))
			continue;
		size_t next = i + 7;
		memcpy(&relative, code + i + 3, sizeof(relative));
		struct code_load load = { .address = addr + next +
						  (uint64_t)(int64_t)relative };
		size_t second = code_load_from_rax(code + next, &load.offset);
		if (!second && code[i + 1] == 0x8d)
			return false;
		load.indirect = second && code[i + 1] == 0x8b;
		next += second;
		if (code[next] == 0x5d || code[next] == 0xc9) /* pop %rbp, leave */
			next++;
		*ret = load;
		return code[next] == 0xc3;
	}
	return false;
}

/*
 * call rel32 is e8 + 4; call r/m64 is [41] ff /2 with up to 5 bytes of operand.
 * Misses nothing, and may take other bytes for a call: the safe side.
 */
bool code_after_call(const uint8_t *code, size_t offset)
{
	if (offset >= 5 && code[offset - 5] == 0xe8)
		return true;
	for (size_t length = 2; length <= 7 && length <= offset; length++) {
		const uint8_t *p = code + offset - length;

		if (p[0] == 0xff && (p[1] >> 3 & 7) == 2)
			return true;
	}
	return false;
}

uint64_t code_address(uint64_t word)
{
	return word;
}
