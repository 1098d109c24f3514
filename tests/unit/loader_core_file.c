/* SPDX-License-Identifier: MIT */
/* loader/core: what is read of a core file's headers, and of its memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <string.h>

#include "loader/core/core_file.h"
#include "loader/core/core_image.h"
#include "loader/cpu/cpu.h"

enum { CORE_SIZE = 0x4000, CORE_DATA = 0x1000 };

struct core_made {
	unsigned char bytes[CORE_SIZE];
	Elf64_Phdr *ph;
	unsigned count;
};

static void core_make(struct core_made *c)
{
	Elf64_Ehdr *h = (Elf64_Ehdr *)(void *)c->bytes;

	memset(c, 0, sizeof(*c));
	memcpy(h->e_ident, ELFMAG, SELFMAG);
	h->e_ident[EI_CLASS] = ELFCLASS64;
	h->e_ident[EI_DATA] = ELFDATA2LSB;
	h->e_type = ET_CORE;
	h->e_machine = cpu_elf_machine;
	h->e_phoff = sizeof(*h);
	h->e_phentsize = sizeof(Elf64_Phdr);
	c->ph = (Elf64_Phdr *)(void *)(c->bytes + sizeof(*h));
	for (unsigned i = 0; i < CORE_SIZE - CORE_DATA; i++)
		c->bytes[CORE_DATA + i] = (unsigned char)(i >> 3);
}

static void core_add(struct core_made *c, uint32_t type, uint64_t addr, uint64_t offset,
		     uint64_t filesz, uint64_t memsz)
{
	c->ph[c->count++] = (Elf64_Phdr){ .p_type = type,
					  .p_flags = PF_R | PF_W,
					  .p_offset = offset,
					  .p_vaddr = addr,
					  .p_filesz = filesz,
					  .p_memsz = memsz };
	((Elf64_Ehdr *)(void *)c->bytes)->e_phnum = (Elf64_Half)c->count;
}

static int core_read(const struct core_made *c, size_t size, struct core_file *ret,
		     char error[512])
{
	*ret = (struct core_file){ .bytes = c->bytes, .size = size };
	return core_file_parse("c", ret, error);
}

/* Its bytes are ours. */
static void core_forget(struct core_file *core)
{
	core->bytes = NULL;
	core_file_close(core);
}

static void test_segments_and_what_is_cut(void **state)
{
	struct core_made c;
	struct core_file core;
	char error[512];

	(void)state;
	core_make(&c);
	core_add(&c, PT_LOAD, 0x30000, CORE_DATA, 0x1000, 0x1000);
	core_add(&c, PT_LOAD, 0x10000, CORE_DATA, 0x1000, 0x2000);
	core_add(&c, PT_LOAD, 0x11000, CORE_DATA, 0x10, 0x10); /* inside the last */
	core_add(&c, PT_LOAD, 0xfffffffffffff000, CORE_DATA, 0x1000, 0x2000); /* wraps */
	core_add(&c, PT_LOAD, 0x50000, 0x3800, 0x1000,
		 0x1000); /* 0x800 of it are there */
	core_add(&c, PT_LOAD, 0x60000, 0x9000, 0x1000, 0x1000); /* nothing of it is */
	assert_int_equal(core_read(&c, CORE_SIZE, &core, error), 0);
	assert_int_equal(core.load_count, 4);
	assert_int_equal(core.left_out, 2);
	assert_int_equal(core.loads[0].start, 0x10000);
	assert_int_equal(core.loads[0].have, 0x1000);
	assert_int_equal(core.loads[1].start, 0x30000);
	assert_int_equal(core.loads[2].have, 0x800);
	assert_int_equal(core.loads[2].told, 0x1000);
	assert_int_equal(core.loads[3].have, 0);
	assert_null(core.loads[3].bytes);
	assert_int_equal(core.missing, 0x1800);
	core_forget(&core);
}

static void test_not_a_core(void **state)
{
	struct core_made c;
	struct core_file core;
	char error[512];

	(void)state;
	core_make(&c);
	assert_int_equal(core_read(&c, CORE_SIZE, &core, error), -1);
	assert_non_null(strstr(error, "cut off"));
	core_add(&c, PT_NOTE, 0, 0x7fffffff, 0x7fffffffffffffff, 0);
	assert_int_equal(core_read(&c, CORE_SIZE, &core, error), -1);
	assert_non_null(strstr(error, "no memory"));
	core_forget(&core);
	assert_int_equal(core_read(&c, 40, &core, error), -1);
	assert_non_null(strstr(error, "too short"));
	((Elf64_Ehdr *)(void *)c.bytes)->e_type = ET_DYN;
	assert_int_equal(core_read(&c, CORE_SIZE, &core, error), -1);
	assert_non_null(strstr(error, "no core"));
	((Elf64_Ehdr *)(void *)c.bytes)->e_type = ET_CORE;
	((Elf64_Ehdr *)(void *)c.bytes)->e_machine = EM_S390;
	assert_int_equal(core_read(&c, CORE_SIZE, &core, error), -1);
	assert_non_null(
		strstr(error, "another processor: there is no pymem-load for it"));
	((Elf64_Ehdr *)(void *)c.bytes)->e_machine =
		cpu_elf_machine == EM_AARCH64 ? EM_X86_64 : EM_AARCH64;
	assert_int_equal(core_read(&c, CORE_SIZE, &core, error), -1);
	assert_non_null(strstr(error,
			       cpu_elf_machine == EM_AARCH64 ?
				       "an x86-64 pymem-load is needed" :
				       "an aarch64 pymem-load is needed"));
}

/* Reads go on over the end of a segment where the next one begins, and no further. */
static void test_image(void **state)
{
	const unsigned char *bytes;
	struct core_made c;
	struct core_file core;
	char error[512], buf[32];
	uint64_t more = 0;

	(void)state;
	core_make(&c);
	core_add(&c, PT_LOAD, 0x10000, CORE_DATA, 0x1000, 0x1000);
	core_add(&c, PT_LOAD, 0x11000, CORE_DATA + 0x1000, 0x1000, 0x1000);
	assert_int_equal(core_read(&c, CORE_SIZE, &core, error), 0);
	assert_int_equal(core_image_begin(&core, NULL, NULL), 0);
	bytes = core_image_source(0x10010, 8, &more);
	assert_ptr_equal(bytes, c.bytes + CORE_DATA + 0x10);
	assert_int_equal(more, 0x1000 - 0x10);
	bytes = core_image_source(0x10ff0, 32, &more);
	assert_non_null(bytes);
	assert_memory_equal(bytes, c.bytes + CORE_DATA + 0xff0, 32);
	assert_null(core_image_source(0x11ff0, 32, &more));
	assert_null(core_image_source(0x12000, 1, &more));
	assert_null(core_image_source(0xffff, 1, &more));
	const struct memory memory = core_image_memory();
	assert_int_equal(memory_read_some(&memory, 0x11ff0, buf, sizeof(buf)), 16);
	assert_true(memory_read(&memory, 0x10ff0, buf, sizeof(buf)));
	assert_memory_equal(buf, c.bytes + CORE_DATA + 0xff0, sizeof(buf));
	core_image_end();
	core_forget(&core);
}

/* Counts that can't be true end the walk, and not the reads of a whole core. */
static void test_lost(void **state)
{
	struct core_made c;
	struct core_file core;
	char error[512];
	volatile bool jumped = false;
	uint64_t more = 0;
	jmp_buf lost;

	(void)state;
	core_make(&c);
	core_add(&c, PT_LOAD, 0x10000, CORE_DATA, 0x1000, 0x1000);
	assert_int_equal(core_read(&c, CORE_SIZE, &core, error), 0);
	assert_int_equal(core_image_begin(&core, NULL, NULL), 0);
	assert_null(core_image_source(0x10008, UINT64_MAX, &more));
	if (setjmp(lost)) {
		jumped = true;
	} else {
		core_image_lost_at(&lost);
		assert_null(core_image_source(0x10008, 0x10000, &more));
		core_image_source(0x10008, UINT64_MAX, &more);
	}
	assert_true(jumped);
	assert_null(core_image_source(0x20000, UINT64_MAX, &more));
	core_image_end();
	core_forget(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments_and_what_is_cut),
		cmocka_unit_test(test_not_a_core),
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
