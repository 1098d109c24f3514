/* SPDX-License-Identifier: MIT */
/* passes - see passes.h. */
#include "formats/export/passes.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int passes_io_problem(struct snap_problem *problem, const char *what)
{
	*problem = (struct snap_problem){ .code = SNAP_E_IO, .sys = errno };
	snprintf(problem->text, sizeof(problem->text), "%s: %s", what, strerror(errno));
	return -1;
}

static int passes_write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		const ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

static int passes_copy(int from, int to)
{
	static char buf[1 << 16];
	ssize_t n;

	for (;;) {
		n = read(from, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		if (passes_write_all(to, buf, (size_t)n) != 0)
			return -1;
	}
}

/* Nobody else can open it: it has no name, or loses it at once. */
static int passes_temporary_file(void)
{
	const char *const given = getenv("TMPDIR");
	const char *const dir = given ? given : "/tmp";
	char name[4096];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	if (snprintf(name, sizeof(name), "%s/pymem-XXXXXX", dir) >= (int)sizeof(name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	return fd;
}

static int passes_spool(int from, struct snap_problem *problem)
{
	const int fd = passes_temporary_file();

	if (fd < 0)
		return passes_io_problem(problem, "temporary file");
	if (passes_copy(from, fd) == 0)
		return fd;
	passes_io_problem(problem, "copying the input to a temporary file");
	close(fd);
	return -1;
}

int passes_open(const char *path, struct snap_problem *problem)
{
	const int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) :
						open(path, O_RDONLY | O_CLOEXEC);
	int copied;

	if (fd < 0)
		return passes_io_problem(problem, "open");
	if (lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	copied = passes_spool(fd, problem);
	close(fd);
	return copied;
}

int passes_read(int fd, const struct snap_parser_ops *ops, void *arg,
		struct snap_problem *problem)
{
	assert(fd >= 0 && ops);
	if (lseek(fd, 0, SEEK_SET) != 0)
		return passes_io_problem(problem, "seek");
	return snap_read_fd(fd, NULL, ops, arg, problem);
}

int passes_blame(FILE *out, struct snap_problem *problem)
{
	const bool memory = problem->code == SNAP_E_SINK && problem->sys == -ENOMEM;

	errno = 0;
	if (fflush(out) == 0 && !ferror(out) && !memory)
		return 0;
	*problem = (struct snap_problem){ .code = memory ? SNAP_E_NOMEM : SNAP_E_SINK,
					  .sys = errno };
	snprintf(
		problem->text, sizeof(problem->text), "%s",
		memory ?
			"not enough memory (it takes some bytes for each type, shape and "
			"string): have other programs end, raise the limit, or convert "
			"it where there is more" :
			"cannot write");
	if (!memory && problem->sys)
		snprintf(problem->text, sizeof(problem->text), "cannot write: %s",
			 strerror(problem->sys));
	return -1;
}
