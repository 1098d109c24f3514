/* SPDX-License-Identifier: MIT */
/* core_reader - see core_reader.h. */
#include "loader/core/core_reader.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/rights/rights.h"
#include "loader/base/confined.h"
#include "loader/core/core_unpack.h"
#include "loader/target/foreign.h"

enum {
	CORE_READER_PATH = 4096,
	CORE_READER_CHUNK = 64 << 10,
	/* a packed core counts as that many times its size */
	CORE_READER_UNPACKS = 32,
	/* Processor time for any core; for so many bytes of it one second more: a
	 * walk takes a tenth of that.  Memory beside twice the core's size. */
	CORE_READER_SECONDS = 30,
	CORE_READER_PACE = 8 << 20,
	CORE_READER_MEMORY = 1 << 30,
};

/* A message: what is asked for, and then its path. */
enum core_reader_wish { CORE_READER_PROGRAM = 'p', CORE_READER_FILE = 'f' };

struct core_reader {
	const struct core_reader_job *job;
	struct core_walk_result *shared; /* the reader writes it */
	int core, smaps;
	int pipe[2], channel[2];
	int root;	  /* of the sysroot; -1 = none */
	uint64_t seconds; /* of processor time that the reader may take */
	pid_t child;
};

/* ---- in the reader ---- */

static int core_reader_write(void *arg, const void *data, size_t size)
{
	const int fd = *(const int *)arg;

	for (size_t done = 0; done < size;) {
		const ssize_t n = write(fd, (const char *)data + done, size - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int core_reader_ask(void *arg, const char *path)
{
	const int channel = *(const int *)arg;
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char text[CORE_READER_PATH];
	int error, fd = -1;
	const int n = snprintf(text, sizeof(text), "%c%s",
			       core_image_is_program(path) ? CORE_READER_PROGRAM :
							     CORE_READER_FILE,
			       path);
	struct iovec part = { &error, sizeof(error) };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	if (n < 0 || (size_t)n >= sizeof(text) ||
	    send(channel, text, (size_t)n + 1, MSG_NOSIGNAL) != n + 1 ||
	    recvmsg(channel, &message, 0) != sizeof(error))
		return -ENOENT;
	if (error)
		return error > 0 && error < 4096 ? -error : -ENOENT;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd < 0 ? -ENOENT : fd;
}

static uint64_t core_reader_time(int fd)
{
	struct stat st;

	return fstat(fd, &st) ?
		0 :
		(uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
}

/* Bytes that the core has in its file, or that it may have when it is unpacked; holes are
 * none. */
static uint64_t core_reader_size(int fd)
{
	struct stat st;
	const uint64_t bytes = fstat(fd, &st) ? 0 : (uint64_t)st.st_blocks * 512;

	return core_unpack_kind(fd) ? bytes * CORE_READER_UNPACKS : bytes;
}

/* Of processor time for a core of so many bytes, or less where we have less: a second
 * before the kernel kills (setrlimit(2)), which tells nobody why. */
static uint64_t core_reader_seconds(uint64_t size)
{
	const uint64_t most = CORE_READER_SECONDS + size / CORE_READER_PACE;
	struct rlimit ours;

	if (getrlimit(RLIMIT_CPU, &ours) < 0)
		return most;
	if (ours.rlim_max != RLIM_INFINITY && ours.rlim_cur >= ours.rlim_max &&
	    ours.rlim_max > 1)
		ours.rlim_cur = ours.rlim_max - 1;
	return ours.rlim_cur < most ? ours.rlim_cur : most;
}

/* Lowers a limit; one that is lower already stays. */
static void core_reader_lower(int resource, uint64_t most)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) == 0 && limit.rlim_cur > most) {
		limit.rlim_cur = most;
		setrlimit(resource, &limit);
	}
}

/* A core that was made to keep us can take that much time and memory, not more. */
static void core_reader_limit(const struct core_reader *r)
{
	core_reader_lower(RLIMIT_CPU, r->seconds);
	core_reader_lower(RLIMIT_DATA,
			  CORE_READER_MEMORY + 2 * core_reader_size(r->core));
}

static _Noreturn void core_reader_main(struct core_reader *r, pid_t parent)
{
	const struct core_reader_job *job = r->job;
	const int kept[] = { r->core, r->smaps, r->pipe[1], r->channel[1], job->scratch };
	const struct core_walk_options options = {
		.name = job->core,
		.fd = r->core,
		.scratch = job->scratch,
		.smaps_fd = r->smaps,
		.time_ns = core_reader_time(r->core),
		.values = job->values,
		.value_limit = job->value_limit,
		.open = core_reader_ask,
		.open_arg = &r->channel[1],
	};

	core_reader_limit(r);
	confined_enter("pymem-core", kept,
		       sizeof(kept) / sizeof(kept[0]) - (job->scratch < 0), parent,
		       SANDBOX_READER);
	_exit(core_walk_run(&options, core_reader_write, &r->pipe[1], r->shared) ? 2 : 0);
}

/* ---- files, with the user's rights ---- */

static int core_reader_open_plain(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

/* Regular and ELF, or closed again. */
static int core_reader_checked(int fd)
{
	char head[4];
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    pread(fd, head, sizeof(head), 0) == sizeof(head) &&
	    !memcmp(head, "\177ELF", sizeof(head)))
		return fd;
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : -ENOEXEC;
}

/*
 * A path as the process named it; or, where gdb made the core outside of the process's
 * root, with that root's own path before it, so less and less of its beginning.
 */
static int core_reader_open_below(int root, const char *path)
{
	int fd = foreign_open_below(root, path);

	while (fd == -ENOENT && (path = strchr(path + 1, '/')))
		fd = foreign_open_below(root, path);
	return fd;
}

static int core_reader_open(const struct core_reader *r, char wish, const char *path)
{
	if (wish == CORE_READER_PROGRAM && r->job->exec)
		return core_reader_checked(core_reader_open_plain(r->job->exec));
	return core_reader_checked(r->root >= 0 ? core_reader_open_below(r->root, path) :
						  core_reader_open_plain(path));
}

/* One question. False: the reader has gone. */
static bool core_reader_answer(struct core_reader *r)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	char text[CORE_READER_PATH];
	const ssize_t n = recv(r->channel[0], text, sizeof(text), MSG_DONTWAIT);

	if (n < 2 || text[n - 1])
		return false;
	const int fd = core_reader_open(r, text[0], text + 1);
	int error = fd < 0 ? -fd : 0;
	struct iovec part = { &error, sizeof(error) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS,
				       .cmsg_len = CMSG_LEN(sizeof(fd)) };
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	const bool sent = sendmsg(r->channel[0], &message, MSG_NOSIGNAL | MSG_DONTWAIT) ==
		sizeof(error);
	if (fd >= 0)
		close(fd);
	return sent;
}

/* ---- the whole ---- */

/* Passes on what comes until the reader closes its pipe. 0 or a negative errno. */
static int core_reader_serve(struct core_reader *r, char *buf)
{
	struct pollfd fds[] = { { .fd = r->pipe[0], .events = POLLIN },
				{ .fd = r->channel[0], .events = POLLIN },
				{ .fd = r->job->cancel_fd, .events = POLLIN } };

	for (;;) {
		if (poll(fds, 3, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (fds[2].revents & POLLIN)
			return -ECANCELED;
		if (fds[1].revents && !core_reader_answer(r))
			fds[1].fd = -1;
		if (!fds[0].revents)
			continue;
		const ssize_t n = read(r->pipe[0], buf, CORE_READER_CHUNK);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		const int rc = n > 0 ? r->job->feed(r->job->feed_arg, buf, (size_t)n) : 0;
		if (rc < 0)
			return rc;
	}
}

static int core_reader_open_all(struct core_reader *r, char error[512])
{
	const struct core_reader_job *job = r->job;

	r->core = open(job->core, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (r->core < 0) {
		snprintf(error, 512, "the core %.300s can't be opened: %s", job->core,
			 strerror(errno));
		return -1;
	}
	struct stat st;
	if (fstat(r->core, &st) < 0 || !S_ISREG(st.st_mode)) {
		snprintf(error, 512, "%.300s is no core file: it isn't a regular file",
			 job->core);
		return -1;
	}
	if (job->exec && access(job->exec, R_OK) < 0) {
		snprintf(error, 512, "the program %.300s can't be read: %s", job->exec,
			 strerror(errno));
		return -1;
	}
	if (job->sysroot) {
		r->root = open(job->sysroot, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (r->root < 0) {
			snprintf(error, 512, "the folder %.300s can't be opened: %s",
				 job->sysroot, strerror(errno));
			return -1;
		}
	}
	return 0;
}

static int core_reader_start(struct core_reader *r, char error[512])
{
	const pid_t parent = getpid();

	r->seconds = core_reader_seconds(core_reader_size(r->core));
	r->shared = mmap(NULL, sizeof(*r->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	r->smaps = memfd_create("pymem-core", MFD_CLOEXEC);
	rights_ours();
	if (r->shared != MAP_FAILED && r->smaps >= 0 && !pipe2(r->pipe, O_CLOEXEC) &&
	    !socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, r->channel))
		r->child = fork();
	if (r->child == 0)
		core_reader_main(r, parent);
	if (r->child < 0)
		snprintf(error, 512, "a process to read the core can't be made: %s",
			 strerror(errno));
	for (int i = 0; i < 2; i++) {
		int *fd = i ? &r->channel[1] : &r->pipe[1];

		if (*fd >= 0)
			close(*fd);
		*fd = -1;
	}
	return r->child < 0 ? -1 : 0;
}

/* What the reader left, whose texts are believed to be texts only. */
static void core_reader_take(struct core_reader *r, int rc, int status,
			     struct core_walk_result *ret)
{
	*ret = *r->shared;
	ret->error[sizeof(ret->error) - 1] = 0;
	ret->note[sizeof(ret->note) - 1] = 0;
	ret->python[sizeof(ret->python) - 1] = 0;
	ret->name[sizeof(ret->name) - 1] = 0;
	if (rc == -ECANCELED)
		snprintf(ret->error, sizeof(ret->error), "cancelled");
	else if (rc < 0)
		snprintf(ret->error, sizeof(ret->error), "cannot write the snapshot: %s",
			 strerror(-rc));
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
		snprintf(ret->error, sizeof(ret->error),
			 "reading %.300s was given up after %" PRIu64
			 " s of processor time: it is damaged, or was made to take long",
			 r->job->core, r->seconds);
	else if (WIFSIGNALED(status))
		snprintf(ret->error, sizeof(ret->error),
			 "reading %.300s ended by signal %d (%s): the core, or a file "
			 "that "
			 "it names, may be damaged or cut off meanwhile",
			 r->job->core, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (status && !ret->error[0])
		snprintf(ret->error, sizeof(ret->error),
			 "reading %.300s failed: a process without rights can't be made",
			 r->job->core);
}

static void core_reader_close(struct core_reader *r)
{
	const int fds[] = { r->core,	   r->smaps,	  r->pipe[0], r->pipe[1],
			    r->channel[0], r->channel[1], r->root };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (r->shared && r->shared != MAP_FAILED)
		munmap(r->shared, sizeof(*r->shared));
}

int core_reader_run(const struct core_reader_job *job, struct core_walk_result *ret)
{
	struct core_reader r = { .job = job,
				 .core = -1,
				 .smaps = -1,
				 .pipe = { -1, -1 },
				 .channel = { -1, -1 },
				 .root = -1,
				 .child = -1 };
	char *buf = malloc(CORE_READER_CHUNK);
	int status = 0;

	*ret = (struct core_walk_result){ .pid = 0 };
	if (!buf)
		snprintf(ret->error, sizeof(ret->error), "out of memory");
	else if (core_reader_open_all(&r, ret->error) == 0 &&
		 core_reader_start(&r, ret->error) == 0) {
		const int rc = core_reader_serve(&r, buf);

		assert(r.child > 0);
		if (rc < 0)
			kill(r.child, SIGKILL);
		while (waitpid(r.child, &status, 0) < 0 && errno == EINTR)
			;
		core_reader_take(&r, rc, status, ret);
	}
	core_reader_close(&r);
	free(buf);
	return ret->error[0] ? -1 : 0;
}
