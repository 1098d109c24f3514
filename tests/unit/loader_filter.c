/* SPDX-License-Identifier: MIT */
/* The agent's image as it is brought into a target; seccomp filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <stdlib.h>
#include <string.h>

#include "loader/inject/agent_image.h"
#include "loader/cpu/cpu.h"
#include "loader/target/filter.h"

/* The start block is found by its magic, wherever the linker put it. */
static void start_block_is_filled(void **unused)
{
	(void)unused;
	static struct {
		char before[100];
		struct pymem_start block;
		char after[100];
	} file;
	struct inject_options options = { .agent = &file, .agent_size = sizeof(file) };
	struct agent_image image;
	struct load_error err;
	assert_int_equal(agent_image_init(&image, &options, &err), -1);
	memcpy(file.block.magic, PYMEM_START_MAGIC, 16);
	memcpy(file.before + 3, PYMEM_START_MAGIC,
	       16); /* the magic alone isn't the block */
	file.block.version = PYMEM_START_VERSION;
	file.block.size = sizeof(struct pymem_start);
	assert_int_equal(agent_image_init(&image, &options, &err), 0);
	struct pymem_start start = { .nonce = 77, .control_fd = 1003 };
	agent_image_configure(&image, &start);
	struct pymem_start got;
	memcpy(&got, (char *)image.data + image.block, sizeof(got));
	assert_int_equal(got.configured, 1);
	assert_int_equal(got.nonce, 77);
	assert_int_equal(got.control_fd, 1003);
	assert_int_equal(file.block.configured, 0); /* a copy was filled in */
	agent_image_free(&image);
}

/* What is never mapped of a library isn't brought into the target. */
static void image_is_cut(void **unused)
{
	(void)unused;
	static struct {
		Elf64_Ehdr header;
		Elf64_Phdr segment;
		struct pymem_start block;
		char symbols[5000];
	} file;
	struct inject_options options = { .agent = &file, .agent_size = sizeof(file) };
	struct agent_image image;
	struct load_error err;
	memcpy(file.header.e_ident, ELFMAG, SELFMAG);
	file.header.e_ident[EI_CLASS] = ELFCLASS64;
	file.header.e_phoff = sizeof(file.header);
	file.header.e_phentsize = sizeof(file.segment);
	file.header.e_phnum = 1;
	file.header.e_shoff = offsetof(typeof(file), symbols) + 100;
	file.header.e_shnum = 7;
	file.segment.p_type = PT_LOAD;
	file.segment.p_filesz = offsetof(typeof(file), symbols);
	memcpy(file.block.magic, PYMEM_START_MAGIC, 16);
	file.block.version = PYMEM_START_VERSION;
	file.block.size = sizeof(struct pymem_start);
	assert_int_equal(agent_image_init(&image, &options, &err), 0);
	assert_int_equal(image.size, offsetof(typeof(file), symbols));
	assert_int_equal(((Elf64_Ehdr *)image.data)->e_shnum, 0);
	agent_image_free(&image);
	file.segment.p_filesz = sizeof(file) + 1; /* nonsense: taken as it is */
	assert_int_equal(agent_image_init(&image, &options, &err), 0);
	assert_int_equal(image.size, sizeof(file));
	assert_int_equal(((Elf64_Ehdr *)image.data)->e_shnum, 7);
	agent_image_free(&image);
}

/* ---- seccomp ---- */

#define LOAD_NR BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)

static uint32_t run(const struct sock_filter *code, size_t count, int nr, uint64_t arg0)
{
	struct seccomp_data data = { .nr = nr, .arch = cpu_audit_arch, .args = { arg0 } };
	return filter_run(code, count, &data);
}

static void filters_are_run(void **unused)
{
	(void)unused;
	const struct sock_filter deny[] = {
		LOAD_NR, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 319, 0, 1),
		RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW)
	};
	assert_int_equal(run(deny, 4, 319, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(run(deny, 4, 318, 0), SECCOMP_RET_ALLOW);
	const struct sock_filter by_arg[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_STMT(BPF_ST, 3),
		BPF_STMT(BPF_LDX | BPF_IMM, 0xff),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_MEM, 3),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 8),
		BPF_STMT(BPF_RET | BPF_A, 0)
	};
	assert_int_equal(run(by_arg, 9, 0, 0x12345), 0x123);
	const struct sock_filter jumps[] = {
		LOAD_NR,   BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		RETURN(1), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 10, 1, 0),
		RETURN(2), RETURN(3)
	};
	assert_int_equal(run(jumps, 6, 9, 0), 2);
	assert_int_equal(run(jumps, 6, 10, 0), 3);
}

static void malformed_filters_kill(void **unused)
{
	(void)unused;
	const struct sock_filter outside[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4096),
					       RETURN(SECCOMP_RET_ALLOW) };
	const struct sock_filter no_end[] = { LOAD_NR };
	const struct sock_filter far[] = { BPF_JUMP(BPF_JMP | BPF_JA, 1000000, 0, 0),
					   RETURN(SECCOMP_RET_ALLOW) };
	const struct sock_filter memory[] = { BPF_STMT(BPF_ST, 1000),
					      RETURN(SECCOMP_RET_ALLOW) };
	const struct sock_filter zero[] = { BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0),
					    RETURN(SECCOMP_RET_ALLOW) };
	assert_int_equal(run(outside, 2, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(run(no_end, 1, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(run(far, 2, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(run(memory, 2, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(run(zero, 2, 0, 0), SECCOMP_RET_KILL_PROCESS);
}

static void worst_answers_are_found(void **unused)
{
	(void)unused;
	const struct sock_filter one[] = { /* kills 319, asks about 400, refuses 56 */
					   LOAD_NR,
					   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 319, 3, 0),
					   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 400, 3, 0),
					   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 56, 3, 0),
					   RETURN(SECCOMP_RET_ALLOW),
					   RETURN(SECCOMP_RET_KILL_PROCESS),
					   RETURN(SECCOMP_RET_USER_NOTIF),
					   RETURN(SECCOMP_RET_ERRNO | 1)
	};
	assert_int_equal(filter_worst(one, 8, 0, 1023), FILTER_ENDS);
	assert_int_equal(filter_worst(one, 8, 320, 1023), FILTER_WAITS);
	assert_int_equal(filter_worst(one, 8, 0, 318), FILTER_REFUSES);
	assert_int_equal(filter_worst(one, 8, 57, 318), FILTER_ALLOWS);
	assert_true(filter_refuses(one, 8, 56));
	assert_false(filter_refuses(one, 8, 57));
	const struct sock_filter other_abi[] = {
		/* another ABI, as libseccomp asks for it */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, cpu_audit_arch, 0, 3),
		LOAD_NR,
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS)
	};
	assert_int_equal(filter_worst(other_abi, 6, 0, 1023), FILTER_ALLOWS);
	const struct sock_filter by_arg[] = {
		/* mmap of writable code */
		LOAD_NR,
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 9, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[2])),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 0, 1),
		RETURN(SECCOMP_RET_ERRNO | 1),
		RETURN(SECCOMP_RET_ALLOW)
	};
	assert_int_equal(filter_worst(by_arg, 7, 9, 9), FILTER_REFUSES);
	assert_int_equal(filter_worst(by_arg, 7, 0, 8), FILTER_ALLOWS);
	assert_false(filter_refuses(by_arg, 7, 9));
	const struct sock_filter older[] = { RETURN(SECCOMP_RET_ERRNO | ENOSYS) };
	assert_int_equal(filter_worst(older, 1, 0, 1023), FILTER_REFUSES);
	assert_false(filter_refuses(older, 1, 435));
}

enum { RANDOM_CODE = 16, RANDOM_CALLS = 32 };

static struct sock_filter random_instruction(int at)
{
	static const uint32_t actions[] = { SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | 1,
					    SECCOMP_RET_USER_NOTIF,
					    SECCOMP_RET_KILL_PROCESS };
	static const uint16_t jumps[] = { BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET };
	static const uint16_t alus[] = { BPF_ADD, BPF_SUB, BPF_AND, BPF_OR, BPF_RSH,
					 BPF_LSH, BPF_XOR, BPF_NEG, BPF_DIV };
	const uint16_t x = lrand48() % 8 ? BPF_K : BPF_X;
	const uint32_t k = (uint32_t)lrand48() % 24;
	const uint8_t far = (uint8_t)(lrand48() % (RANDOM_CODE - at)),
		      near = (uint8_t)(lrand48() % (RANDOM_CODE - at));
	switch (at == RANDOM_CODE - 1 ? 0 : lrand48() % 6) {
	case 0:
		return (struct sock_filter)RETURN(actions[lrand48() % 4]);
	case 1:
		return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, k % 8 * 4);
	case 2:
		return (struct sock_filter)BPF_STMT(BPF_ALU | alus[lrand48() % 9] | x,
						    k + 1);
	case 3:
		return (struct sock_filter)BPF_STMT(
			BPF_MISC | (k % 2 ? BPF_TAX : BPF_TXA), 0);
	default:
		return (struct sock_filter)BPF_JUMP(BPF_JMP | jumps[lrand48() % 4] | x, k,
						    far, near);
	}
}

/* The interval machine never answers better than a run does. */
static void no_run_is_worse_than_the_worst(void **unused)
{
	(void)unused;
	srand48(12);
	for (int round = 0; round < 20000; round++) {
		struct sock_filter code[RANDOM_CODE];
		for (int i = 0; i < RANDOM_CODE; i++)
			code[i] = random_instruction(i);
		const enum filter_effect worst =
			filter_worst(code, RANDOM_CODE, 0, RANDOM_CALLS - 1);
		for (int nr = 0; nr < RANDOM_CALLS; nr++)
			assert_true(filter_effect(run(code, RANDOM_CODE, nr,
						      (uint64_t)lrand48())) <= worst);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_block_is_filled),
		cmocka_unit_test(image_is_cut),
		cmocka_unit_test(filters_are_run),
		cmocka_unit_test(malformed_filters_kill),
		cmocka_unit_test(worst_answers_are_found),
		cmocka_unit_test(no_run_is_worse_than_the_worst),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
