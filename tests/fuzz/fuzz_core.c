/* SPDX-License-Identifier: MIT */
/*
 * fuzz_core - any bytes as a core file: its notes, its memory, the interpreter in it.
 *
 * An input that begins with EDIT changes a true core instead (seeds/core.zst, which
 * cut_core made): pieces of 1 to 8 bytes, each with where it goes (four bytes) and how
 * many there are (one).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "loader/core/core_unpack.h"
#include "loader/core/core_walk.h"

enum { CORE_SEED_OBJECTS = 1000 }; /* that the seed has, at least */

/* The seed, unpacked; once. */
static struct {
	const uint8_t *bytes;
	size_t size;
} core_seed;

static void core_seed_read(void)
{
	char why[256];
	const int packed = open(FUZZ_CORE_SEED, O_RDONLY | O_CLOEXEC),
		  fd = memfd_create("seed", MFD_CLOEXEC);

	fuzz_expect(packed >= 0 && fd >= 0 && core_unpack(packed, fd, why) == 0);
	core_seed.size = (size_t)lseek(fd, 0, SEEK_END);
	core_seed.bytes = mmap(NULL, core_seed.size, PROT_READ, MAP_PRIVATE, fd, 0);
	fuzz_expect(core_seed.bytes != MAP_FAILED);
	close(packed);
	close(fd);
}

/* Writes the core that an input says. */
static void core_put(int fd, const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };

	if (size < 4 || memcmp(data, "EDIT", 4) != 0) {
		fuzz_expect(write(fd, data, size) == (ssize_t)size);
		return;
	}
	if (!core_seed.bytes)
		core_seed_read();
	fuzz_expect(write(fd, core_seed.bytes, core_seed.size) ==
		    (ssize_t)core_seed.size);
	fuzz_take(&in, 4);
	while (in.left) {
		const uint64_t at = fuzz_take(&in, 4) % (core_seed.size - 8);
		const size_t n = fuzz_take(&in, 1) % 8 + 1;
		const uint64_t piece = fuzz_take(&in, n);

		fuzz_expect(pwrite(fd, &piece, n, (off_t)at) == (ssize_t)n);
	}
}

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
	core_put(fd, data, size);
	if (core_walk_run(&options, core_take, NULL, &result))
		fuzz_expect(result.error[0]);
	if (size == 4 && !memcmp(data, "EDIT", 4))
		fuzz_expect(!result.error[0] && result.objects > CORE_SEED_OBJECTS);
	fuzz_expect(memchr(result.error, '\0', sizeof(result.error)) != NULL);
	fuzz_expect(memchr(result.note, '\0', sizeof(result.note)) != NULL);
	close(fd);
	close(options.scratch);
	close(options.smaps_fd);
	return 0;
}
