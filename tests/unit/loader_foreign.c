/* SPDX-License-Identifier: MIT */
/* loader/foreign: what is taken for what it should be, and what isn't. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "loader/target/foreign.h"
#include "loader/target/process.h"

static char folder[64];

static const char *in_folder(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/pymem-foreign-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "file", "pipe", "link", "up", "door" };
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_folder(names[i]));
	return rmdir(folder);
}

static int make_file(const char *text)
{
	const int fd = open(in_folder("file"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void new_memory_only(void **state)
{
	const int good = memfd_create("pymem", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const int plain = memfd_create("pymem", MFD_CLOEXEC);
	int pair[2];
	(void)state;
	assert_true(foreign_is_new_memory(plain)); /* as on kernels before 6.3 */
	close(plain);
	assert_true(foreign_is_new_memory(good));
	assert_int_equal(fcntl(good, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_false(foreign_is_new_memory(good));
	close(good);

	const int grown = memfd_create("pymem", MFD_CLOEXEC);
	assert_int_equal(ftruncate(grown, 1), 0);
	assert_false(foreign_is_new_memory(grown));
	close(grown);

	const int file = make_file("");
	const int path = open(in_folder("file"), O_PATH);
	const int null = open("/dev/null", O_RDWR);
	assert_int_equal(pipe(pair), 0);
	const int others[] = { file, path, null, pair[0], pair[1], -1 };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_false(foreign_is_new_memory(others[i]));
		close(others[i]);
	}
}

static void pairs_of_their_maker_only(void **state)
{
	int pair[2];
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_true(foreign_is_pair(pair[0], SOCK_SEQPACKET, getpid()));
	assert_false(foreign_is_pair(pair[0], SOCK_STREAM, getpid()));
	assert_false(foreign_is_pair(pair[0], SOCK_SEQPACKET, getppid()));
	close(pair[0]);
	close(pair[1]);

	/* not connected, and of another family */
	const int door = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	const int inet = socket(AF_INET, SOCK_STREAM, 0);
	strcpy(at.sun_path, in_folder("door"));
	assert_false(foreign_is_pair(door, SOCK_SEQPACKET, getpid()));
	assert_false(foreign_is_pair(inet, SOCK_STREAM, getpid()));
	assert_int_equal(bind(door, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_false(foreign_is_pair(door, SOCK_SEQPACKET, getpid()));
	close(door);
	close(inet);

	const int file = make_file("");
	assert_false(foreign_is_pair(file, SOCK_STREAM, getpid()));
	close(file);
}

static void files_are_known_without_opening(void **state)
{
	int pair[2];
	struct stat st;
	(void)state;
	const int memory = memfd_create("pymem", MFD_CLOEXEC);
	struct foreign_file found = foreign_look(getpid(), gettid(), memory);
	assert_int_equal(fstat(memory, &st), 0);
	assert_int_equal(found.kind, FOREIGN_MEMORY);
	assert_int_equal(found.inode, st.st_ino);
	assert_string_equal(found.name, "pymem");
	close(memory);
	assert_int_equal(foreign_look(getpid(), gettid(), memory).kind, FOREIGN_NONE);

	assert_int_equal(pipe(pair), 0);
	found = foreign_look(getpid(), gettid(), pair[1]);
	assert_int_equal(fstat(pair[0], &st), 0);
	assert_int_equal(found.kind, FOREIGN_PIPE);
	assert_int_equal(found.inode, st.st_ino);
	close(pair[0]);
	close(pair[1]);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	found = foreign_look(getpid(), gettid(), pair[1]);
	assert_int_equal(fstat(pair[1], &st), 0);
	assert_int_equal(found.kind, FOREIGN_SOCKET);
	assert_int_equal(found.inode, st.st_ino);
	close(pair[0]);
	close(pair[1]);

	const int file = make_file("");
	assert_int_equal(foreign_look(getpid(), gettid(), file).kind, FOREIGN_NONE);
	close(file);
}

/* Opened anew, so that nothing set by the other side holds for us; and never waits. */
static void pipes_are_our_own_open_files(void **state)
{
	struct process self;
	int pair[2];
	char byte;
	const uid_t user = geteuid();
	(void)state;
	assert_int_equal(process_read(getpid(), &self, NULL), 0);
	assert_int_equal(pipe(pair), 0);
	const int reads = foreign_open_pipe(&self, getpid(), gettid(), pair[0], false);
	const int writes = foreign_open_pipe(&self, getpid(), gettid(), pair[1], true);
	assert_true(reads >= 0 && writes >= 0);
	assert_int_equal(geteuid(), user);
	assert_int_equal(read(reads, &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
	assert_false(fcntl(pair[0], F_GETFL) & O_NONBLOCK);
	assert_int_equal(write(writes, "x", 1), 1);
	assert_int_equal(read(pair[0], &byte, 1), 1);
	close(reads);
	close(writes);
	close(pair[0]);
	close(pair[1]);

	const int file = make_file("");
	assert_int_equal(foreign_open_pipe(&self, getpid(), gettid(), file, true),
			 -EBADF);
	close(file);
	assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
	const int named = open(in_folder("pipe"), O_RDWR);
	assert_int_equal(foreign_open_pipe(&self, getpid(), gettid(), named, true),
			 -EBADF);
	close(named);
}

static void paths_stay_below_the_root(void **state)
{
	(void)state;
	close(make_file("text\n"));
	assert_int_equal(symlink("file", in_folder("link")), 0);
	assert_int_equal(symlink("/proc/self/root/tmp", in_folder("up")), 0);
	assert_int_equal(foreign_path(getpid(), gettid(), in_folder("link"), false),
			 -ELOOP);
	assert_int_equal(foreign_path(getpid(), gettid(), in_folder("none"), true),
			 -ENOENT);
	const int file = foreign_path(getpid(), gettid(), in_folder("link"), true);
	assert_true(file >= 0);
	close(file);
	/* the kernel's own links lead anywhere */
	assert_int_equal(foreign_path(getpid(), gettid(), in_folder("up"), true), -ELOOP);
}

static void regular_files_are_read_within_bounds(void **state)
{
	(void)state;
	close(make_file("0123456789"));
	assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
	assert_int_equal(symlink("file", in_folder("link")), 0);
	const int dir = foreign_path(getpid(), gettid(), folder, false);
	assert_true(dir >= 0);
	char *text = foreign_read(dir, "file", 100);
	assert_string_equal(text, "0123456789");
	free(text);
	assert_null(foreign_read(dir, "pipe", 100)); /* and doesn't wait for a writer */
	assert_null(foreign_read(dir, "link", 100));
	assert_null(foreign_read(dir, "../../etc/hostname", 100));
	assert_null(foreign_read(dir, ".", 100));
	close(dir);

	const int devices = foreign_path(getpid(), gettid(), "/dev", false);
	assert_null(foreign_read(devices, "zero", 100));
	close(devices);
}

/* What fdinfo tells to a tracer is what the link tells. */
static void hidden_files_are_known(void **state)
{
	(void)state;
	int fd[6], pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(pipe(fd), 0);
	fd[2] = pair[0];
	fd[3] = memfd_create("some name", MFD_CLOEXEC);
	fd[4] = make_file("x");
	fd[5] = memfd_create("", MFD_CLOEXEC);
	for (size_t i = 0; i < 6; i++) {
		const struct foreign_file seen = foreign_look(getpid(), gettid(), fd[i]);
		const struct foreign_file told =
			foreign_look_traced(getpid(), gettid(), fd[i]);
		assert_int_equal(told.kind, seen.kind);
		assert_int_equal(told.inode, seen.inode);
		assert_string_equal(told.name, seen.name);
		assert_true(i == 4 || (seen.inode && seen.kind != FOREIGN_NONE));
		close(fd[i]);
	}
	assert_int_equal(foreign_look_traced(getpid(), gettid(), fd[0]).kind,
			 FOREIGN_NONE);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(new_memory_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pairs_of_their_maker_only, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(files_are_known_without_opening, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(hidden_files_are_known, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(pipes_are_our_own_open_files, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(paths_stay_below_the_root, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(regular_files_are_read_within_bounds,
						set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
