/* SPDX-License-Identifier: MIT */
/* keeper - see keeper.h. */
#include "loader/output/keeper.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/rights/rights.h"
#include "loader/base/clock.h"
#include "loader/base/confined.h"
#include "loader/output/appender.h"

enum {
	KEEPER_STEP_MS = 100,
	KEEPER_CANCEL_MS = 2000, /* a cancel's patience with a slow disk */
};

struct keeper_request {
	uint32_t word; /* enum keeper_word */
	uint32_t size;
};

/* ---- in the keeper ---- */

static int keeper_do_begin(struct appender *a, const void *data, size_t size)
{
	(void)data, (void)size;
	return appender_begin(a);
}

static int (*const keeper_does[])(struct appender *, const void *, size_t) = {
	[KEEPER_BEGIN] = keeper_do_begin,
	[KEEPER_FEED] = appender_feed,
	[KEEPER_FINISH] = appender_finish,
};

static _Noreturn void keeper_serve(struct appender *a, int channel, const char *room)
{
	struct keeper_request request;

	while (read(channel, &request, sizeof(request)) == sizeof(request)) {
		struct keeper_answer answer = { 0 };

		if (request.word >= sizeof(keeper_does) / sizeof(keeper_does[0]) ||
		    request.size > KEEPER_ROOM)
			break;
		answer.result = keeper_does[request.word](a, room, request.size);
		answer.error = a->error;
		answer.written = a->written;
		answer.state = a->state;
		if (write(channel, &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	_exit(0);
}

/*
 * Signals of the terminal are for whoever started us: a cancelled capture is still
 * finished.  A kernel without filters (or with one that allows none) has us without.
 */
static _Noreturn void keeper_main(struct appender *a, int channel, const char *room,
				  pid_t parent)
{
	const int kept[] = { a->fd, channel };

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	for (int fd = 0; fd <= 2; fd++)
		if (fd != a->fd && fd != channel)
			close(fd);
	confined_enter("pymem-keeper", kept, sizeof(kept) / sizeof(kept[0]), parent,
		       SANDBOX_KEEPER);
	keeper_serve(a, channel, room);
}

/* ---- in the process that traces ---- */

int keeper_start(struct keeper *k, int fd, bool seekable, uint64_t start)
{
	const pid_t parent = getpid();
	int pair[2], err;

	assert(k->process == 0 && fd >= 0);
	rights_ours();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	void *const room = mmap(NULL, KEEPER_ROOM, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const pid_t child = room == MAP_FAILED ? -1 : fork();
	err = errno;
	if (child == 0) {
		struct appender a = { .fd = fd, .seekable = seekable, .start = start };
		keeper_main(&a, pair[1], room, parent);
	}
	close(pair[1]);
	if (child > 0) {
		k->process = child;
		k->channel = pair[0];
		k->room = room;
		return 0;
	}
	close(pair[0]);
	if (room != MAP_FAILED)
		munmap(room, KEEPER_ROOM);
	return -err;
}

/* An answer that makes no sense is that of one who was taken over: none. */
static bool keeper_is_sane(const struct keeper_answer *a, ssize_t size)
{
	return size == sizeof(*a) && a->result <= 0 && a->error <= 0 &&
		a->result >= -4095 && a->error >= -4095 &&
		a->written <= (uint64_t)INT64_MAX && a->state.whole <= a->state.bytes &&
		a->state.bytes <= (uint64_t)INT64_MAX;
}

/* 0, or why there is none. */
static int keeper_listen(const struct keeper *k, struct keeper_answer *ret)
{
	const uint64_t began = clock_now();
	uint64_t limit = began + k->patience_ns;
	bool cancelled = false;

	for (;;) {
		struct pollfd p[2] = { { k->channel, POLLIN, 0 },
				       { cancelled ? -1 : k->cancel_fd, POLLIN, 0 } };
		const int n = poll(p, 2, KEEPER_STEP_MS);
		const uint64_t now = clock_now();

		if (n > 0 && p[0].revents) {
			const ssize_t size =
				recv(k->channel, ret, sizeof(*ret), MSG_DONTWAIT);
			return keeper_is_sane(ret, size) ? 0 : -EOWNERDEAD;
		}
		if (n > 0 && p[1].revents) {
			cancelled = true;
			limit = now + KEEPER_CANCEL_MS * 1000000ull;
		}
		if (now > limit)
			return cancelled ? -ECANCELED : -ETIMEDOUT;
	}
}

int keeper_ask(struct keeper *k, enum keeper_word word, size_t size,
	       struct keeper_answer *ret)
{
	const struct keeper_request request = { word, (uint32_t)size };

	assert(size <= KEEPER_ROOM);
	if (k->process <= 0)
		return -EOWNERDEAD;
	int err = send(k->channel, &request, sizeof(request),
		       MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(request) ?
		0 :
		-EOWNERDEAD;
	if (!err)
		err = keeper_listen(k, ret);
	if (err)
		keeper_stop(k);
	return err;
}

void keeper_stop(struct keeper *k)
{
	if (k->process <= 0)
		return;
	close(k->channel);
	munmap(k->room, KEEPER_ROOM);
	kill(k->process, SIGKILL); /* it has answered all it was asked, or is given up */
	/* In an uninterruptible wait of a disk's it is left to whoever adopts it. */
	for (int ms = 0; ms < KEEPER_CANCEL_MS; ms++) {
		const pid_t got = waitpid(k->process, NULL, WNOHANG);
		if (got == k->process || (got < 0 && errno != EINTR))
			break;
		poll(NULL, 0, 1);
	}
	k->process = 0;
	k->channel = -1;
	k->room = NULL;
}
