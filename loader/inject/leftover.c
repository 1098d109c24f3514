// SPDX-License-Identifier: MIT
/* leftover - see leftover.h. */
#include "loader/inject/leftover.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/target/calls.h"
#include "loader/target/memory.h"

static bool anonymous(const struct map *m, uint64_t start, bool w, bool x)
{
	return m->start == start && !m->inode && !m->shared && m->w == w && m->x == x;
}

/* Do the mappings from list[i] on, after a guard page, look like a region? Its end. */
static uint64_t region_end(const struct target *t, const struct maps *maps, size_t i)
{
	const struct map *m = &maps->list[i];
	char mark[sizeof(LEFTOVER_MARK)];
	if (i + 2 >= maps->count || m->r ||
	    m[1].end - m[1].start != REMOTE_WORKER_STACK ||
	    !anonymous(m, m->start, false, false) ||
	    !anonymous(m + 1, m->end, true, false) ||
	    !anonymous(m + 2, m[1].end, false, false) || m[2].r ||
	    !memory_read(t->mem, m[1].start, mark, sizeof(mark)) ||
	    memcmp(mark, LEFTOVER_MARK, sizeof(mark)))
		return 0;
	uint64_t end = m[2].end;
	if (i + 4 < maps->count && anonymous(m + 3, end, true, false) &&
	    m[3].end - m[3].start == REMOTE_CALL_STACK &&
	    anonymous(m + 4, m[3].end, false, true))
		end = m[4].end;
	return end;
}

static void find_memfds(pid_t pid, pid_t tid, struct leftover *ret)
{
	char path[64], link[128];
	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd", pid, tid);
	DIR *dir = opendir(path);
	for (struct dirent *d; dir && (d = readdir(dir));) {
		snprintf(path, sizeof(path), "/proc/%d/task/%d/fd/%.10s", pid, tid,
			 d->d_name);
		ssize_t n = readlink(path, link, sizeof(link) - 1);
		link[n < 0 ? 0 : n] = 0;
		if (!strcmp(link, "/memfd:" CALLS_AGENT_NAME " (deleted)") &&
		    ret->memfd_count < LEFTOVER_MAX)
			ret->memfd[ret->memfd_count++] = atoi(d->d_name);
	}
	if (dir)
		closedir(dir);
}

/* Is a child a dead copy? Its number as the target sees it, else 0. */
static pid_t dead_copy(pid_t child, int depth)
{
	struct process p;
	char path[32];
	int signal = -1;
	if (process_read(child, &p, NULL) || p.state != 'Z' || p.nspid_count <= depth ||
	    (strcmp(p.comm, LEFTOVER_COPY_NAME) && strcmp(p.comm, "pymem-snap")))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", child);
	char *text = proc_read(path, 4096, NULL);
	char *field = text ? strrchr(text, ')') : NULL;
	for (int i = 2; field && i < 38; i++) {	/* field 38: exit_signal */
		field = strchr(field, ' ');
		field = field ? field + 1 : NULL;
	}
	if (field)
		signal = atoi(field);
	free(text);
	return signal ? 0 : p.nspid[depth];
}

static void find_zombies(const struct target *t, struct leftover *ret)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task", t->pid);
	DIR *dir = opendir(path);
	for (struct dirent *d; dir && (d = readdir(dir));) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.10s/children", t->pid,
			 d->d_name);
		char *list = d->d_name[0] == '.' ? NULL : proc_read(path, 1 << 20, NULL),
		     *end;
		for (char *p = list; p && ret->zombie_count < LEFTOVER_MAX; p = end) {
			pid_t child = (pid_t)strtol(p, &end, 10);
			if (end == p)
				break;
			pid_t inner = dead_copy(child, t->process.nspid_count - 1);
			if (inner)
				ret->zombie[ret->zombie_count++] = inner;
		}
		free(list);
	}
	if (dir)
		closedir(dir);
}

void leftover_find(const struct target *t, struct leftover *ret)
{
	struct maps maps;
	*ret = (struct leftover){ .region_count = 0 };
	if (maps_read(t->pid, t->process.live_tid, &maps))
		return;
	for (size_t i = 0; i < maps.count && ret->region_count < LEFTOVER_MAX; i++) {
		uint64_t end = region_end(t, &maps, i);
		if (end)
			ret->region[ret->region_count++] =
				(struct range){ maps.list[i].start, end };
	}
	maps_free(&maps);
	find_memfds(t->pid, t->process.live_tid, ret);
	find_zombies(t, ret);
}

int leftover_remove(const struct leftover *l, struct remote *r, struct load_error *err)
{
	int64_t ret;
	for (int i = 0; i < l->region_count; i++)
		if (remote_sys(r, &ret, err, SYS_munmap, l->region[i].start,
			       l->region[i].end - l->region[i].start))
			return -1;
	for (int i = 0; i < l->memfd_count; i++)
		if (remote_sys(r, &ret, err, SYS_close, (uint64_t)l->memfd[i]))
			return -1;
	for (int i = 0; i < l->zombie_count; i++)
		if (remote_sys(r, &ret, err, SYS_wait4, (uint64_t)l->zombie[i], 0,
			       __WCLONE | WNOHANG, 0))
			return -1;
	if (leftover_any(l))
		errand_log(r->tracee->errand, "given back what a killed loader left: "
			   "%d regions, %d files, %d dead copies", l->region_count,
			   l->memfd_count, l->zombie_count);
	return 0;
}
