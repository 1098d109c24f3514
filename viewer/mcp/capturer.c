/* SPDX-License-Identifier: MIT */
/* capturer - see capturer.h. */
#include "viewer/mcp/capturer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "formats/rights/rights.h"
#include "viewer/files/clerk_word.h"
#include "viewer/files/files.h"

/* Exit codes of pymem-load; of a child that could not become it. */
enum { CAPTURER_PARTIAL = 3, CAPTURER_NOT_FOUND = 127 };

static const char capturer_folder[] = "pymem_out"; /* as pymem-load's own */

static struct {
	pid_t pids[CAPTURER_PIDS];
	int pidfds[CAPTURER_PIDS]; /* -1: the kernel has none */
	size_t count;
	int channel;
} capturer = { .channel = -1 };

/* ---- the child ---- */

/* Beside this program, else by PATH. */
static _Noreturn void capturer_become_loader(const char *pid)
{
	char path[PATH_MAX];
	const ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[n > 0 ? n : 0] = '\0';
	char *const slash = strrchr(path, '/');
	if (slash && (size_t)(slash - path) + sizeof("/pymem-load") <= sizeof(path)) {
		strcpy(slash, "/pymem-load");
		execl(path, "pymem-load", "--quiet", "--output-file", "-", pid,
		      (char *)NULL);
	}
	execlp("pymem-load", "pymem-load", "--quiet", "--output-file", "-", pid,
	       (char *)NULL);
	_exit(CAPTURER_NOT_FOUND);
}

/* pymem-load, with the snapshot to fd and its words to said. */
static pid_t capturer_run(pid_t pid, int fd, int said)
{
	const pid_t child = fork();
	char number[24];
	sigset_t none;

	if (child)
		return child;
	const int nothing = open("/dev/null", O_RDONLY);
	if (dup2(nothing, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
	    dup2(said, STDERR_FILENO) < 0)
		_exit(CAPTURER_NOT_FOUND);
	rights_close_others(NULL, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	snprintf(number, sizeof(number), "%ld", (long)pid);
	capturer_become_loader(number);
}

/* All it says to its end; what fits is kept. */
static void capturer_listen(int fd, struct capturer_answer *answer)
{
	size_t size = 0;
	char buf[512];

	for (;;) {
		const ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		const size_t room = sizeof(answer->said) - 1 - size;
		const size_t kept = (size_t)n < room ? (size_t)n : room;
		memcpy(answer->said + size, buf, kept);
		size += kept;
	}
	answer->said[size] = '\0';
}

static int capturer_wait(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status))
		return -EINTR;
	return WEXITSTATUS(status) == CAPTURER_NOT_FOUND ? -ENOENT :
		WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == CAPTURER_PARTIAL ?
							   0 :
							   -EIO;
}

/* A name that says of what and when, and that nothing has. */
static void capturer_name(pid_t pid, char path[PATH_MAX])
{
	const time_t now = time(NULL);
	struct tm tm;
	char stamp[32];

	if (!localtime_r(&now, &tm) ||
	    !strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", &tm))
		strcpy(stamp, "0");
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(path, PATH_MAX,
			 i ? "%s/pymem-snapshot-%s-%ld-%u.pymem" :
			     "%s/pymem-snapshot-%s-%ld.pymem",
			 capturer_folder, stamp, (long)pid, i);
		if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
			return;
	}
}

static bool capturer_has_ended(size_t i)
{
	struct pollfd p = { .fd = capturer.pidfds[i], .events = POLLIN };

	if (p.fd >= 0)
		return poll(&p, 1, 0) > 0;
	return kill(capturer.pids[i], 0) < 0 && errno == ESRCH;
}

/* Into a new file, whose descriptor is *fd_ret then. */
static int capturer_capture(size_t i, struct capturer_answer *answer, int *fd_ret)
{
	struct new_file file;
	int said[2], err;

	if (capturer_has_ended(i))
		return -ESRCH;
	if (rights_make_folder(capturer_folder, 0700) && errno != EEXIST)
		return -errno;
	capturer_name(capturer.pids[i], answer->file);
	err = files_create(&file, answer->file);
	if (err)
		return err;
	rights_give(file.fd);
	if (pipe2(said, O_CLOEXEC)) {
		err = -errno;
	} else {
		const pid_t child = capturer_run(capturer.pids[i], file.fd, said[1]);

		err = child < 0 ? -errno : 0;
		close(said[1]);
		if (!err)
			capturer_listen(said[0], answer);
		close(said[0]);
		if (!err)
			err = capturer_wait(child);
	}
	*fd_ret = err ? -1 : open(file.temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (!err && *fd_ret < 0)
		err = -errno;
	if (err)
		files_abort(&file);
	if (!err)
		err = files_commit(&file);
	if (err && *fd_ret >= 0)
		close(*fd_ret);
	return err;
}

static _Noreturn void capturer_serve(int channel)
{
	static struct capturer_answer answer;
	uint32_t which;
	sigset_t all;
	ssize_t n;

	sigfillset(&all); /* the terminal's signals are the server's */
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, "pymem-capturer", 0, 0, 0);
	while ((n = clerk_receive(channel, &which, sizeof(which), NULL)) ==
		       sizeof(which) ||
	       (n < 0 && errno == EINTR)) {
		int fd = -1;

		if (n < 0)
			continue;
		memset(&answer, 0, sizeof(answer));
		answer.result = which < capturer.count ?
			capturer_capture(which, &answer, &fd) :
			-EINVAL;
		clerk_send(channel, &answer, sizeof(answer), fd);
		if (fd >= 0)
			close(fd);
	}
	_exit(0);
}

/* ---- the server ---- */

static int capturer_know(const pid_t *pids, size_t count, pid_t *wrong_ret)
{
	*wrong_ret = 0;
	for (size_t i = 0; i < count; i++) {
		capturer.pids[i] = pids[i];
		capturer.pidfds[i] = (int)syscall(SYS_pidfd_open, pids[i], 0);
		const int err = capturer.pidfds[i] < 0 ? errno : 0;
		if (err == ENOSYS || err == EPERM) { /* a kernel that has none */
			if (kill(pids[i], 0) == 0 || errno == EPERM)
				continue;
		} else if (!err) {
			continue;
		}
		*wrong_ret = pids[i];
		return -ESRCH;
	}
	capturer.count = count;
	return 0;
}

int capturer_start(const pid_t *pids, size_t count, pid_t *wrong_ret)
{
	int pair[2], err;

	assert(capturer.channel < 0 && count && count <= CAPTURER_PIDS);
	err = capturer_know(pids, count, wrong_ret);
	if (err)
		return err;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	const pid_t child = fork();
	if (child == 0) {
		close(pair[0]);
		/* a client that waits for the end of the server's words gets it */
		const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(nothing, STDIN_FILENO);
		dup2(nothing, STDOUT_FILENO);
		dup2(nothing, STDERR_FILENO);
		capturer_serve(pair[1]);
	}
	err = child < 0 ? -errno : 0;
	close(pair[1]);
	for (size_t i = 0; i < count; i++)
		if (capturer.pidfds[i] >= 0)
			close(capturer.pidfds[i]);
	if (err)
		close(pair[0]);
	else
		capturer.channel = pair[0];
	return err;
}

size_t capturer_allowed(const pid_t **ret)
{
	*ret = capturer.pids;
	return capturer.channel >= 0 ? capturer.count : 0;
}

int capturer_take(pid_t pid, struct capturer_answer *ret)
{
	uint32_t which = 0;
	int fd = -1;
	ssize_t n;

	*ret = (struct capturer_answer){ .result = -EPIPE };
	while (which < capturer.count && capturer.pids[which] != pid)
		which++;
	assert(capturer.channel >= 0 && which < capturer.count);
	if (send(capturer.channel, &which, sizeof(which), MSG_NOSIGNAL) !=
	    (ssize_t)sizeof(which))
		return -1;
	do
		n = clerk_receive(capturer.channel, ret, sizeof(*ret), &fd);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*ret))
		*ret = (struct capturer_answer){ .result = -EPIPE };
	if (!ret->result && fd < 0)
		ret->result = -EMFILE;
	ret->file[sizeof(ret->file) - 1] = ret->said[sizeof(ret->said) - 1] = '\0';
	if (ret->result && fd >= 0)
		close(fd);
	return ret->result ? -1 : fd;
}
