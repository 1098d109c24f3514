/* SPDX-License-Identifier: MIT */
/*
 * gil_holder - see gil_holder.h.
 *
 * A PyThreadState holds thread_id, which is pthread_self() (Python/thread_pthread.h);
 * its place differs between versions.  glibc's struct pthread, to which that points, is
 * in a list of all, and has the tid behind that (cpu.h says where).  So the word of the
 * thread state that points to such a structure, of a thread that exists, is found
 * without knowing its place.
 */
#include "loader/target/gil_holder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "loader/cpu/cpu.h"
#include "loader/target/gil_state.h"
#include "loader/target/memory.h"
#include "loader/target/process.h"

enum { STATE_WORDS = 64 };

/* Our id of the thread that calls itself `inner`, 0 = there is none. */
static pid_t gil_holder_outer_tid(pid_t pid, pid_t inner)
{
	char path[64];
	pid_t found = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	for (struct dirent *e; dir && !found && (e = readdir(dir));) {
		const pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);

		if (tid > 0 && process_thread_inner(pid, tid) == inner)
			found = tid;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Its next one in the list points back to it. */
static bool gil_holder_is_pthread(const struct memory *mem, uint64_t at, uint32_t *tid)
{
	const uint64_t list = at + cpu_pthread_list;
	uint64_t next, back;

	return memory_read_u64(mem, list, &next) &&
		memory_read_u64(mem, next + sizeof(next), &back) && back == list &&
		memory_read_u32(mem, list + 2 * sizeof(next), tid) && *tid;
}

pid_t gil_holder(const struct target *t)
{
	uint64_t words[STATE_WORDS];
	uint32_t tid;
	const uint64_t state = gil_state_thread(t, &t->mem);

	if (!state || !memory_read(&t->mem, state, words, sizeof(words)))
		return 0;
	for (int i = 0; i < STATE_WORDS; i++) {
		const uint64_t at = words[i];

		if (at < 65536 || at % 16 || !gil_holder_is_pthread(&t->mem, at, &tid))
			continue;
		const pid_t found = gil_holder_outer_tid(t->pid, (pid_t)tid);
		if (found)
			return found;
	}
	return 0;
}
