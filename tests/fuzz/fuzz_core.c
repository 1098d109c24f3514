/* SPDX-License-Identifier: MIT */
/* fuzz_core - any bytes as a core file: its notes, its memory, the interpreter in it. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "loader/core/core_walk.h"

static int core_take(void *arg, const void *data, size_t size)
{
	(void)arg, (void)data, (void)size;
	return 0;
}

/* The core itself stands for every file that it names. */
static int core_open(void *arg, const char *path)
{
	fuzz_expect(path[0] == '/');
	return dup(*(const int *)arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct core_walk_result result = { .pid = 0 };
	int fd = memfd_create("core", MFD_CLOEXEC);
	const struct core_walk_options options = {
		.name = "core",
		.fd = fd,
		.scratch = memfd_create("unpacked", MFD_CLOEXEC),
		.smaps_fd = memfd_create("smaps", MFD_CLOEXEC),
		.values = true,
		.open = core_open,
		.open_arg = &fd,
	};

	fuzz_expect(fd >= 0 && options.scratch >= 0 && options.smaps_fd >= 0);
	fuzz_expect(write(fd, data, size) == (ssize_t)size);
	if (core_walk_run(&options, core_take, NULL, &result))
		fuzz_expect(result.error[0]);
	fuzz_expect(memchr(result.error, '\0', sizeof(result.error)) != NULL);
	fuzz_expect(memchr(result.note, '\0', sizeof(result.note)) != NULL);
	close(fd);
	close(options.scratch);
	close(options.smaps_fd);
	return 0;
}
