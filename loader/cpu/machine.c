/* SPDX-License-Identifier: MIT */
/* machine - see machine.h. */
#include "loader/cpu/machine.h"

#include <elf.h>
#include <stddef.h>
#include <stdio.h>

#include "loader/cpu/cpu.h"

/* Those that pymem-load can be built for. */
static const struct {
	unsigned machine;
	const char *name; /* with its article */
} machines[] = { { EM_X86_64, "an x86-64" }, { EM_AARCH64, "an aarch64" } };

bool machine_is_other(unsigned machine)
{
	return machine != cpu_elf_machine;
}

const char *machine_remedy(unsigned machine, char text[96])
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(*machines); i++)
		if (machines[i].machine == machine) {
			snprintf(text, 96, "%s pymem-load is needed", machines[i].name);
			return text;
		}
	snprintf(text, 96, "there is no pymem-load for it (ELF machine %u)", machine);
	return text;
}
