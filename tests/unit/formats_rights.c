/* SPDX-License-Identifier: MIT */
/*
 * What a process that reads untrusted bytes can't do any more: in children of ours, once
 * with the rights that the test has (root's, if it is root), once as an ordinary user.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/rights/rights.h"
#include "formats/rights/sandbox.h"

enum { ORDINARY = 12345, NO_SECCOMP = 77 };

/* In the child: the number of the first expectation that doesn't hold, 0 = all do. */
#define EXPECT(condition) \
	do { \
		if (!(condition)) \
			_exit(__LINE__ % 200 + 1); \
	} while (0)

struct world {
	int file;    /* open for writing, in a folder of root's */
	pid_t other; /* a process of the same user */
	char secret[64];
};

static void become_ordinary(void)
{
	EXPECT(setgroups(0, NULL) == 0);
	EXPECT(setresgid(ORDINARY, ORDINARY, ORDINARY) == 0);
	EXPECT(setresuid(ORDINARY, ORDINARY, ORDINARY) == 0);
}

/* As the words of this file say; `as_root`: we were. */
static void expect_dropped(const struct world *w, bool as_root)
{
	EXPECT(rights_drop() == 0);
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	EXPECT(setresuid(0, 0, 0) < 0);
	EXPECT(getgroups(0, NULL) == 0);
	EXPECT(open(w->secret, O_RDONLY) < 0 && errno == EACCES);
	EXPECT(open(w->secret, O_WRONLY) < 0 && errno == EACCES);
	EXPECT(getuid() != 0);
	if (as_root) {
		EXPECT(ptrace(PTRACE_SEIZE, getppid(), 0, 0) < 0 && errno == EPERM);
		EXPECT(kill(getppid(), 0) < 0 && errno == EPERM);
	}
	EXPECT(write(w->file, "x", 1) == 1);
}

static void enter(enum sandbox sandbox)
{
	const int err = sandbox_enter(sandbox);

	if (err == -EINVAL || err == -ENOSYS || err == -ECANCELED)
		_exit(NO_SECCOMP);
	EXPECT(err == 0);
	EXPECT(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2 || errno == EPERM);
}

/* What neither sandbox lets anybody do. */
static void expect_harmless(const struct world *w)
{
	char *const argv[] = { (char *)(uintptr_t) "true", NULL };
	char byte;
	struct iovec here = { &byte, 1 }, there = { &byte, 1 };

	EXPECT(execv("/bin/true", argv) < 0 && errno == EPERM);
	EXPECT(ptrace(PTRACE_SEIZE, w->other, 0, 0) < 0 && errno == EPERM);
	EXPECT(process_vm_readv(w->other, &here, 1, &there, 1, 0) < 0 && errno == EPERM);
	EXPECT(syscall(SYS_pidfd_open, w->other, 0) < 0 && errno == EPERM);
	EXPECT(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
	EXPECT(unshare(CLONE_NEWUSER) < 0 && errno == EPERM);
	EXPECT(ioctl(w->file, TIOCSTI, "x") < 0 && errno == EPERM);
	EXPECT(chmod(w->secret, 0777) < 0 && errno == EPERM);
	EXPECT(setresuid(0, 0, 0) < 0 && errno == EPERM);
}

static void in_keeper(const struct world *w)
{
	enter(SANDBOX_KEEPER);
	expect_harmless(w);
	EXPECT(open("/dev/null", O_RDONLY) < 0 && errno == EPERM);
	EXPECT(fork() < 0 && errno == EPERM);
	EXPECT(kill(w->other, 0) < 0 && errno == EPERM);
	EXPECT(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) == MAP_FAILED);
	EXPECT(write(w->file, "x", 1) == 1);
	EXPECT(ftruncate(w->file, 0) == 0 && lseek(w->file, 0, SEEK_SET) == 0);
	char *const p = malloc(8 << 20);
	EXPECT(p != NULL);
	memset(p, 1, 8 << 20);
	free(p);
}

static void in_viewer(const struct world *w)
{
	enter(SANDBOX_VIEWER);
	expect_harmless(w);
	EXPECT(open(w->secret, O_RDONLY) < 0 && errno == EACCES);
	EXPECT(open("/dev/null", O_RDONLY) >= 0);
	const pid_t child = fork(); /* who draws */
	EXPECT(child >= 0);
	if (child == 0)
		_exit(0);
	EXPECT(waitpid(child, NULL, 0) == child);
}

struct scene {
	void (*play)(const struct world *w);
	bool ordinary;
};

static int play_in_child(const struct world *w, const struct scene *scene)
{
	int status = -1;
	const pid_t child = fork();

	if (child == 0) {
		if (scene->ordinary && getuid() == 0)
			become_ordinary();
		expect_dropped(w, getuid() == 0 && !scene->ordinary);
		scene->play(w);
		_exit(0);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void play(void (*what)(const struct world *w))
{
	const bool root = getuid() == 0;
	struct world w = { .secret = "/tmp/pymem-rights-XXXXXX" };
	const int secret = mkstemp(w.secret);
	const pid_t parent = getpid();

	assert_true(secret >= 0);
	w.file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(w.file >= 0);
	assert_int_equal(fchmod(secret, root ? 0600 : 0), 0);
	w.other = fork();
	if (w.other == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == parent)
			pause();
		_exit(0);
	}
	const struct scene scenes[] = { { what, true }, { what, false } };
	int got[2] = { 0, 0 };
	for (int i = 0; i < 2; i++)
		got[i] = play_in_child(&w, &scenes[i]);
	kill(w.other, SIGKILL);
	waitpid(w.other, NULL, 0);
	unlink(w.secret);
	close(secret);
	close(w.file);
	if (got[0] == NO_SECCOMP)
		skip();
	assert_int_equal(got[0], 0);
	assert_int_equal(got[1], 0);
}

static void test_keeper(void **state)
{
	(void)state;
	play(in_keeper);
}

static void test_viewer(void **state)
{
	(void)state;
	play(in_viewer);
}

/* Only a file that this process made, by descriptor, and only for who called sudo. */
static void test_close_others(void **state)
{
	const int kept = open("/dev/null", O_RDONLY), other = open("/dev/null", O_RDONLY);
	int status = -1;

	(void)state;
	const pid_t child = fork();
	if (child == 0) {
		rights_close_others(&kept, 1);
		EXPECT(fcntl(kept, F_GETFD) >= 0);
		EXPECT(fcntl(other, F_GETFD) < 0 && errno == EBADF);
		EXPECT(fcntl(2, F_GETFD) >= 0);
		_exit(0);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child);
	assert_int_equal(status, 0);
	close(kept);
	close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeper),
		cmocka_unit_test(test_viewer),
		cmocka_unit_test(test_close_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
