/* SPDX-License-Identifier: MIT */
/* orphans - see orphans.h. */
#include "loader/inject/orphans.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loader/base/clock.h"
#include "loader/target/foreign.h"
#include "loader/inject/remote_region.h"
#include "loader/target/calls.h"
#include "loader/target/memory.h"
#include "loader/target/unix_peer.h"

#define LOOK_MS 200
#define AWAIT_MS 10000 /* it only has to get a CPU */
#define PAIR_NEAR 256  /* mostly 1: others may get numbers in between */

/* ---- the note ---- */

#define NOTE(member) offsetof(struct orphans_note, member)

void orphans_mark(struct remote *r)
{
	struct orphans_note note = { .mark = ORPHANS_MARK };

	assert(r->worker_size >= sizeof(struct orphans_note));
	memset(note.pair, 0xff, sizeof(note.pair));
	note.borrowed = process_thread_inner(r->tracee->pid, r->tracee->tid);
	tracee_write(r->tracee, r->worker, &note, sizeof(note));
}

void orphans_note_borrowed(struct remote *r)
{
	const int32_t inner = process_thread_inner(r->tracee->pid, r->tracee->tid);

	tracee_write(r->tracee, r->worker + NOTE(borrowed), &inner, sizeof(inner));
}

uint64_t orphans_pair_addr(struct remote *r, int index)
{
	static const int none[2] = { -1, -1 };

	assert(index >= 0 && index < ORPHANS_PAIRS);
	if (r->worker_size)
		return r->worker + NOTE(pair) + (uint64_t)index * sizeof(none);
	return remote_push(r, none, sizeof(none)); /* a copy leaves nothing */
}

void orphans_note_pair(struct remote *r, int index, const int pair[2])
{
	const struct tracee *t = r->tracee;
	uint64_t inode[2];

	if (!r->worker_size)
		return;
	for (int i = 0; i < 2; i++)
		inode[i] = foreign_look(t->pid, t->tid, pair[i]).inode;
	tracee_write(t, r->worker + NOTE(inode) + (uint64_t)index * sizeof(inode), inode,
		     sizeof(inode));
}

uint64_t orphans_thread_word(const struct remote *r)
{
	return r->worker + NOTE(thread);
}

uint32_t orphans_thread(const struct remote *r)
{
	uint32_t tid = 0;

	return tracee_read(r->tracee, orphans_thread_word(r), &tid, sizeof(tid)) ? tid :
										   0;
}

/* ---- finding ---- */

static bool orphans_anonymous(const struct map *m, bool w, bool x)
{
	return !m->inode && !m->shared && m->r && m->w == w && m->x == x;
}

/*
 * Is list[i] the page with the stub of a region?  Below it lies the call stack, which
 * is writable; the rest is known by the note.  (Its guard pages are made a little
 * later: it may be one mapping still, and one with a neighbour below.)
 */
static bool orphans_find_region(const struct target *t, const struct maps *maps, size_t i,
				struct range *ret)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const struct map *m = &maps->list[i];
	char mark[sizeof(ORPHANS_MARK)];

	if (!i || m->end - m->start != page || !orphans_anonymous(m, false, true) ||
	    m[-1].end != m->start || !orphans_anonymous(m - 1, true, false))
		return false;
	ret->start = m->start - REMOTE_REGION_CALL_STACK - REMOTE_REGION_WORKER_STACK -
		2 * page;
	ret->end = m->end;
	return memory_read(&t->mem, ret->start + page, mark, sizeof(mark)) &&
		!memcmp(mark, ORPHANS_MARK, sizeof(mark));
}

static void orphans_add_file(struct orphans *ret, int fd, uint64_t inode, uint64_t note)
{
	for (int i = 0; i < ret->file_count; i++)
		if (ret->file[i].fd == fd)
			return;
	if (ret->file_count < ORPHANS_MAX)
		ret->file[ret->file_count++] = (struct orphans_file){ fd, inode, note };
}

/* Are two sockets a pair?  In another network namespace their inodes have to tell. */
static bool orphans_connected(uint64_t first, uint64_t second)
{
	const uint64_t peer = unix_peer_inode(first);

	return peer ? peer == second : second - first <= PAIR_NEAR;
}

/* A pair that was made, but not noted any more; note: where that would be. */
static void orphans_find_pair(pid_t pid, pid_t tid, const int32_t pair[2], uint64_t note,
			      struct orphans *ret)
{
	struct foreign_file file[2];

	for (int i = 0; i < 2; i++) {
		file[i] = foreign_look(pid, tid, pair[i]);
		if (pair[i] < 0)
			return;
	}
	const bool pipes = file[0].kind == FOREIGN_PIPE && file[1].kind == FOREIGN_PIPE &&
		file[0].inode == file[1].inode;
	const bool sockets = file[0].kind == FOREIGN_SOCKET &&
		file[1].kind == FOREIGN_SOCKET &&
		orphans_connected(file[0].inode, file[1].inode);
	for (int i = 0; i < 2 && (pipes || sockets); i++)
		orphans_add_file(ret, pair[i], file[i].inode, note + (uint64_t)i * 8);
}

/* Is descriptor fd of the target the agent's memfd, or something noted? */
static void orphans_look_at_fd(const struct target *t, int fd,
			       const struct orphans_note *notes, int count,
			       struct orphans *ret)
{
	const struct foreign_file file = foreign_look(t->pid, t->process.live_tid, fd);
	bool ours = file.kind == FOREIGN_MEMORY && !strcmp(file.name, CALLS_AGENT_NAME);
	const bool channel = file.kind == FOREIGN_SOCKET || file.kind == FOREIGN_PIPE;

	for (int i = 0; i < count && channel; i++)
		for (int k = 0; k < ORPHANS_PAIRS * 2; k++)
			ours |= notes[i].inode[k / 2][k % 2] == file.inode;
	if (ours)
		orphans_add_file(ret, fd, file.inode, 0);
}

/* Stack pointer of a thread that waits in the kernel; 0 = it runs, who knows where. */
static uint64_t orphans_stack_pointer(pid_t pid, pid_t tid)
{
	char path[64];
	unsigned long long v[9];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	char *text = process_read_text(path, 512, NULL);
	int n = text ? sscanf(text, "%lli %llx %llx %llx %llx %llx %llx %llx %llx",
			      (long long *)&v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
			      &v[6], &v[7], &v[8]) :
		       0;
	free(text);
	return n == 9 ? v[7] : n == 3 ? v[1] : 0;
}

static bool orphans_in_region(const struct orphans *o, uint64_t addr)
{
	for (int i = 0; i < o->region_count; i++)
		if (range_has(o->region[i], addr))
			return true;
	return false;
}

/*
 * Who may still be at work in a region.  Numbers are used again: a thread that waits
 * on another stack is neither the worker nor the one that was borrowed.
 */
static void orphans_find_threads(const struct target *t, const struct orphans_note *notes,
				 int count, struct orphans *ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", t->pid);
	DIR *dir = count ? opendir(path) : NULL;
	for (struct dirent *d; dir && (d = readdir(dir));) {
		pid_t tid = (pid_t)strtol(d->d_name, NULL, 10);
		int32_t inner = tid > 0 ? process_thread_inner(t->pid, tid) : 0;

		for (int i = 0; i < count && inner > 0; i++) {
			const bool worker = notes[i].thread == inner;

			if (!worker && notes[i].borrowed != inner)
				continue;
			uint64_t sp = orphans_stack_pointer(t->pid, tid);
			if (sp && !orphans_in_region(ret, sp))
				continue;
			ret->worker |= worker;
			if (!worker && ret->borrowed_count < ORPHANS_MAX)
				ret->borrowed[ret->borrowed_count++] = tid;
		}
	}
	if (dir)
		closedir(dir);
}

static uint64_t orphans_note_of(struct range region)
{
	return region.start + (uint64_t)sysconf(_SC_PAGESIZE);
}

/* One for each region; empty if it can't be read. */
static int orphans_read_notes(const struct target *t, const struct orphans *o,
			      struct orphans_note notes[ORPHANS_MAX])
{
	for (int i = 0; i < o->region_count; i++)
		if (!memory_read(&t->mem, orphans_note_of(o->region[i]), &notes[i],
				 sizeof(notes[0]))) {
			notes[i] = (struct orphans_note){ .mark = "" };
			memset(notes[i].pair, 0xff, sizeof(notes[i].pair));
		}
	return o->region_count;
}

static void orphans_find_files(const struct target *t, struct orphans *ret)
{
	const pid_t pid = t->pid, tid = t->process.live_tid;
	struct orphans_note notes[ORPHANS_MAX];
	const int count = orphans_read_notes(t, ret, notes);

	orphans_find_threads(t, notes, count, ret);
	for (int i = 0; i < count; i++)
		for (int k = 0; k < ORPHANS_PAIRS; k++)
			if (!notes[i].inode[k][0])
				orphans_find_pair(pid, tid, notes[i].pair[k],
						  orphans_note_of(ret->region[i]) +
							  NOTE(inode) + (uint64_t)k * 16,
						  ret);
	DIR *dir = foreign_list(pid, tid);
	for (struct dirent *d; dir && (d = readdir(dir));)
		if (d->d_name[0] != '.')
			orphans_look_at_fd(t, atoi(d->d_name), notes, count, ret);
	if (dir)
		closedir(dir);
}

/* Is a child a dead copy? Its number as the target sees it, else 0. */
static pid_t orphans_dead_copy(pid_t child, int depth)
{
	struct process p;
	char path[32];
	int signal = -1;

	if (process_read(child, &p, NULL) || p.state != 'Z' || p.nspid_count <= depth)
		return 0;
	const bool named =
		!strcmp(p.comm, ORPHANS_COPY_NAME) || !strcmp(p.comm, "pymem-snap");
	snprintf(path, sizeof(path), "/proc/%d/stat", child);
	char *text = process_read_text(path, 4096, NULL);
	char *field = text ? strrchr(text, ')') : NULL;
	for (int i = 2; field && i < 38; i++) { /* field 38: exit_signal */
		field = strchr(field, ' ');
		field = field ? field + 1 : NULL;
	}
	if (field)
		signal = atoi(field);
	free(text);
	return signal == REMOTE_COPY_SIGNAL || (signal == 0 && named) ? p.nspid[depth] :
									0;
}

static void orphans_find_zombies(const struct target *t, struct orphans *ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", t->pid);
	DIR *dir = opendir(path);
	for (struct dirent *d; dir && (d = readdir(dir));) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.10s/children", t->pid,
			 d->d_name);
		char *list = d->d_name[0] == '.' ? NULL :
						   process_read_text(path, 1 << 20, NULL),
		     *end;
		for (char *p = list; p && ret->zombie_count < ORPHANS_MAX; p = end) {
			pid_t child = (pid_t)strtol(p, &end, 10);

			if (end == p)
				break;
			pid_t inner =
				orphans_dead_copy(child, t->process.nspid_count - 1);
			if (inner)
				ret->zombie[ret->zombie_count++] = inner;
		}
		free(list);
	}
	if (dir)
		closedir(dir);
}

void orphans_find(const struct target *t, struct orphans *ret)
{
	struct maps maps;

	*ret = (struct orphans){ .region_count = 0 };
	if (maps_read(t->pid, t->process.live_tid, &maps))
		return;
	for (size_t i = 0; i < maps.count && ret->region_count < ORPHANS_MAX; i++) {
		struct range found;

		if (orphans_find_region(t, &maps, i, &found))
			ret->region[ret->region_count++] = found;
	}
	maps_free(&maps);
	orphans_find_files(t, ret);
	orphans_find_zombies(t, ret);
}

/* ---- giving back ---- */

/* 1 = it's out, or gone; 0 = it is in there; -1 = it can't be looked at now. */
static int orphans_look_at_thread(const struct orphans *o, struct helper *h, pid_t tid)
{
	struct tracee t;
	struct load_error err = { 0 };

	if (helper_step(h, &err, "look at thread %d", tid) ||
	    tracee_seize(&t, h, tid, LOOK_MS, &err))
		return err.code == LOAD_E_GONE ? 1 : -1;
	int out = tracee_save(&t, &err) ? -1 :
					  !orphans_in_region(o, cpu_sp(&t.state.regs)) &&
			!orphans_in_region(o, cpu_pc(&t.state.regs));
	tracee_release(&t, NULL);
	return out;
}

int orphans_await(const struct orphans *o, struct helper *h, struct load_error *err)
{
	const uint64_t deadline = clock_now() + AWAIT_MS * 1000000ull;

	for (int i = 0; o && i < o->borrowed_count; i++)
		while (orphans_look_at_thread(o, h, o->borrowed[i]) != 1) {
			if (clock_now() > deadline)
				return load_fail(err, LOAD_E_STATE, EBUSY,
						 "thread %d of process %d is still at "
						 "what a killed "
						 "pymem-load began in it",
						 o->borrowed[i], h->target->pid);
			nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
		}
	return 0;
}

int orphans_remove(const struct orphans *o, struct remote *r, struct load_error *err)
{
	int64_t ret;

	for (int i = 0; i < o->file_count; i++) /* should we be killed half-way, too */
		if (o->file[i].note)
			tracee_write(r->tracee, o->file[i].note, &o->file[i].inode,
				     sizeof(o->file[i].inode));
	for (int i = 0; i < o->file_count; i++)
		if (foreign_look(r->tracee->pid, r->tracee->tid, o->file[i].fd).inode ==
			    o->file[i].inode &&
		    remote_sys(r, &ret, err, SYS_close, (uint64_t)o->file[i].fd))
			return -1;
	for (int i = 0; i < o->zombie_count; i++)
		if (remote_sys(r, &ret, err, SYS_wait4, (uint64_t)o->zombie[i], 0,
			       __WCLONE | WNOHANG, 0))
			return -1;
	/* last of all, with the notes of what there is */
	for (int i = 0; i < o->region_count; i++)
		if (remote_sys(r, &ret, err, SYS_munmap, o->region[i].start,
			       o->region[i].end - o->region[i].start))
			return -1;
	if (orphans_any(o))
		helper_log(r->tracee->helper,
			   "given back what a killed loader left: "
			   "%d regions, %d files, %d dead copies",
			   o->region_count, o->file_count, o->zombie_count);
	return 0;
}
