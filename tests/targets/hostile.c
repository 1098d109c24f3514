/* SPDX-License-Identifier: MIT */
/*
 * hostile - a library for a target that means its loader harm (test_hostile_target.py):
 * threads that wait for what the loader makes in the process, and are quicker.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void hostile_replace_memory(int fd);
void hostile_replace_sockets(int fd);
void hostile_rob_channels(void);
long hostile_done(void);

enum { HOSTILE_FDS = 20, HOSTILE_HIGH = 500, HOSTILE_KEPT = 16 };

static atomic_long done;
static bool known[HOSTILE_FDS]; /* descriptors of before */
static int bait;

static void note_known(void)
{
	for (int fd = 0; fd < HOSTILE_FDS; fd++)
		known[fd] = fcntl(fd, F_GETFD) >= 0;
}

static void start_thread(void *(*run)(void *))
{
	pthread_t thread;
	note_known();
	if (!pthread_create(&thread, NULL, run, NULL))
		pthread_detach(thread);
}

/* Puts another file in the place of every new memfd. */
static void *replace_memory(void *arg)
{
	for (;;)
		for (int fd = 3; fd < HOSTILE_FDS; fd++)
			if (!known[fd] && fcntl(fd, F_GET_SEALS) >= 0 &&
			    dup2(bait, fd) == fd)
				done++;
	return arg;
}

/* Puts another file in the place of every new socket. */
static void *replace_sockets(void *arg)
{
	struct stat st;
	for (;;)
		for (int fd = 3; fd < HOSTILE_FDS; fd++)
			if (!known[fd] && !fstat(fd, &st) && S_ISSOCK(st.st_mode) &&
			    dup2(bait, fd) == fd) {
				known[fd] = true;
				done++;
			}
	return arg;
}

/* Keeps both ends of the first pairs that are made, and reads them empty for ever; a
 * word in between, so that somebody who waits finds that there is something. */
static void *rob_channels(void *arg)
{
	static char buf[1 << 16];
	int kept[HOSTILE_KEPT], count = 0;
	struct stat st;
	for (unsigned round = 0;; round++) {
		for (int fd = 3; fd < HOSTILE_FDS && count < HOSTILE_KEPT; fd++)
			if (!known[fd] && !fstat(fd, &st) && S_ISSOCK(st.st_mode)) {
				known[fd] = true;
				kept[count++] = fcntl(fd, F_DUPFD_CLOEXEC, HOSTILE_HIGH);
			}
		for (int i = 0; i < count; i++) {
			if (round % 64 == 0)
				send(kept[i], "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
			while (recv(kept[i], buf, sizeof(buf), MSG_DONTWAIT) > 0)
				done++;
		}
	}
	return arg;
}

void hostile_replace_memory(int fd)
{
	bait = fd;
	start_thread(replace_memory);
}

void hostile_replace_sockets(int fd)
{
	bait = fd;
	start_thread(replace_sockets);
}

void hostile_rob_channels(void)
{
	start_thread(rob_channels);
}

/* How often that was done. */
long hostile_done(void)
{
	return done;
}
