/* SPDX-License-Identifier: MIT */
/* fuzz_elf - any bytes as a module in a target's memory; symbols are looked up in it. */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "loader/target/elf_module.h"
#include "loader/target/memory.h"

enum { BASE = 0x1000 };

static void look(const struct elf *elf)
{
	static const char *const names[] = { "dlopen", "malloc", "Py_GetVersion", "" };
	struct elf_symbol symbol;

	fuzz_expect(memchr(elf->soname, '\0', sizeof(elf->soname)) != NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (elf_module_symbol(elf, names[i], &symbol))
			fuzz_expect(symbol.addr == elf_module_address(elf, names[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct memory mem = { .fd = -1 };
	struct elf elf;

	if (!memory_is_open(&mem))
		mem.fd = memfd_create("elf", MFD_CLOEXEC);
	fuzz_expect(ftruncate(mem.fd, 0) == 0);
	fuzz_expect(pwrite(mem.fd, data, size, BASE) == (ssize_t)size);
	if (elf_module_open(&mem, BASE, &elf))
		look(&elf);
	return 0;
}
