/* SPDX-License-Identifier: MIT */
/*
 * workspace - the processes being looked at (workspace.h).
 *
 * A file is read once, front to back, through the parser, each process into a
 * loader of its own.  When the file is a regular one and has a fresh sidecar, the
 * heap and its analysis are mapped from there instead.
 */
#include "viewer/workspace.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "formats/core/reader.h"
#include "viewer/files/files.h"
#include "viewer/model/load.h"
#include "viewer/model/sidecar.h"
#include "viewer/text/text.h"

void workspace_init(struct workspace *workspace)
{
	memset(workspace, 0, sizeof(*workspace));
}

static void workspace_process_free(struct process *process)
{
	if (!process)
		return;
	analysis_destroy(process->analysis);
	heap_destroy(process->heap);
	free((char *)(uintptr_t)process->file);
	free(process);
}

void workspace_free(struct workspace *workspace)
{
	for (uint32_t i = 0; i < workspace->count; i++)
		workspace_process_free(workspace->process[i]);
	for (uint32_t i = 0; i < workspace->old_count; i++)
		workspace_process_free(workspace->old[i]);
	free(workspace->process);
	free(workspace->old);
	vec_free(&workspace->between);
	workspace_init(workspace);
}

uint64_t process_pid(const struct process *process)
{
	return heap_fact_u64(process->heap, "pid", 0);
}

/* ---- who was forked from whom ---- */

/* How far two snapshots of a tree may be apart. */
enum { WORKSPACE_TREE_SECONDS = 3600 };

static bool workspace_same_host(const struct heap *a, const struct heap *b)
{
	size_t m, n;
	const char *const x = heap_fact_text(a, "host", &m),
			  *const y = heap_fact_text(b, "host", &n);

	return x && y && m == n && !memcmp(x, y, n);
}

/* The parent's snapshot that was taken when the process's was, or next to it. */
static const struct heap *workspace_parent(const struct workspace *w,
					   const struct heap *heap)
{
	const uint64_t pid = heap_fact_u64(heap, "capture.parent", 0),
		       time = heap_fact_u64(heap, "capture.time", 0);
	uint64_t nearest = WORKSPACE_TREE_SECONDS;
	const struct heap *found = NULL;

	for (uint32_t i = 0; pid && i < w->count + w->old_count; i++) {
		const struct heap *other =
			(i < w->count ? w->process[i] : w->old[i - w->count])->heap;
		const uint64_t at = heap_fact_u64(other, "capture.time", 0);
		const uint64_t apart = at < time ? time - at : at - time;

		if (heap_fact_u64(other, "capture.pid", 0) != pid || apart >= nearest ||
		    !workspace_same_host(heap, other))
			continue;
		nearest = apart;
		found = other;
	}
	return found;
}

/* Before a process is freed: nobody's memory is compared with its any more. */
static void workspace_forget_parents(struct workspace *w)
{
	for (uint32_t i = 0; i < w->count; i++)
		w->process[i]->heap->forked_from = NULL;
	for (uint32_t i = 0; i < w->old_count; i++)
		w->old[i]->heap->forked_from = NULL;
}

/* ---- adding ---- */

static struct process *workspace_append(struct workspace *workspace, bool old,
					struct heap *heap, const char *file)
{
	struct process ***list = old ? &workspace->old : &workspace->process;
	uint32_t *count = old ? &workspace->old_count : &workspace->count;
	struct process *process = calloc(1, sizeof(*process));
	struct process **grown = realloc(*list, (*count + 1) * sizeof(*grown));

	assert(heap && file);
	if (grown)
		*list = grown;
	if (process)
		process->file = strdup(file);
	if (!process || !grown || !process->file) {
		free(process);
		return NULL;
	}
	process->heap = heap;
	heap->python_only = workspace->python_only;
	(*list)[(*count)++] = process;
	return process;
}

struct process *workspace_add(struct workspace *workspace, struct heap *heap,
			      const char *file)
{
	return workspace_append(workspace, false, heap, file);
}

/* ---- reading ---- */

struct reading {
	struct workspace *workspace;
	const char *file;
	bool old;
	const struct progress *progress;
	struct loader *loader;
	int err;	     /* negative errno of our side */
	uint64_t size, done; /* bytes of the file */
};

static struct snap_sink *workspace_on_begin(void *arg, uint32_t ordinal)
{
	struct reading *r = arg;

	(void)ordinal;
	r->loader = loader_create();
	if (!r->loader)
		r->err = -ENOMEM;
	return r->loader ? loader_sink(r->loader) : NULL;
}

static void workspace_say_problem(struct process *process,
				  const struct snap_problem *problem)
{
	struct text text = { 0 };

	if (!problem)
		return;
	text_escape(&text, problem->text, strlen(problem->text), 250, 0);
	snprintf(process->problem, sizeof(process->problem), "%s", text_get(&text));
	text_free(&text);
}

static int workspace_on_finish(void *arg, uint32_t ordinal, int complete,
			       const struct snap_problem *problem)
{
	struct reading *r = arg;
	struct process *process;
	struct heap *heap = NULL;

	if (!r->loader)
		return 0;
	r->err = loader_finish(r->loader, complete, &heap);
	loader_destroy(r->loader);
	r->loader = NULL;
	if (r->err)
		return r->err;
	process = workspace_append(r->workspace, r->old, heap, r->file);
	if (!process) {
		heap_destroy(heap);
		return r->err = -ENOMEM;
	}
	process->ordinal = ordinal;
	workspace_say_problem(process, problem);
	if (!complete && !process->problem[0])
		snprintf(process->problem, sizeof(process->problem),
			 "the snapshot is truncated");
	return 0;
}

static const struct snap_parser_ops parser_ops = { workspace_on_begin,
						   workspace_on_finish };

#define READ_SIZE (1u << 20)

const char *workspace_error(int err)
{
	assert(err < 0);
	return err == -ENOMEM ?
		"not enough memory (opening takes some 100 bytes for each object): have "
		"other programs end, raise the limit, or open it where there is more" :
		strerror(-err);
}

/* Feeds the parser to the end of fd. 0, or -1 with *problem filled. */
static int workspace_feed(struct reading *r, int fd, struct snap_parser *parser,
			  char *buf, struct snap_problem *problem)
{
	for (;;) {
		ssize_t n = read(fd, buf, READ_SIZE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			problem->code = SNAP_E_IO;
			problem->sys = errno;
			snprintf(problem->text, sizeof(problem->text), "cannot read: %s",
				 strerror(errno));
			return -1;
		}
		if (n == 0)
			return snap_parser_finish(parser, problem);
		r->done += (uint64_t)n;
		r->err = progress_step(r->progress, "reading", r->done, r->size);
		if (r->err)
			return -1;
		if (snap_parser_feed(parser, buf, (size_t)n, problem))
			return -1;
	}
}

static int workspace_read_stream(struct reading *r, int fd, char *err, size_t err_size)
{
	struct snap_parser_options options = { 0 };
	struct snap_problem problem = { 0 };
	struct snap_parser *parser = snap_parser_create(&options, &parser_ops, r);
	char *buf = malloc(READ_SIZE);
	int failed = -1;

	if (parser && buf)
		failed = workspace_feed(r, fd, parser, buf, &problem);
	else
		r->err = -ENOMEM;
	/* what came before the failure is worth showing */
	if (failed && !r->err && r->loader)
		workspace_on_finish(r, 0, 0, &problem);
	loader_destroy(r->loader);
	r->loader = NULL;
	snap_parser_destroy(parser);
	free(buf);
	if (r->err)
		snprintf(err, err_size, "%s",
			 r->err == -ECANCELED ?
				 "cancelled" :
				 r->err == -EFBIG ?
				 "too large: more than 2^32 objects or 4 GiB of names" :
				 workspace_error(r->err));
	else if (failed)
		snprintf(err, err_size, "%s", problem.text);
	return failed;
}

/* Reads fd. -1 with err when nothing came of it. */
static int workspace_read_file(struct reading *r, int fd, char *err, size_t err_size)
{
	uint32_t *count = r->old ? &r->workspace->old_count : &r->workspace->count,
		 before = *count;
	struct process **list;
	int failed = workspace_read_stream(r, fd, err, err_size);

	if (failed && (r->err || *count == before)) {
		list = r->old ? r->workspace->old : r->workspace->process;
		while (*count > before)
			workspace_process_free(list[--*count]);
		return -1;
	}
	if (*count == before) {
		snprintf(err, err_size, "no process in it");
		return -1;
	}
	list = r->old ? r->workspace->old : r->workspace->process;
	if (failed && !list[*count - 1]->problem[0])
		snprintf(list[*count - 1]->problem, sizeof(list[0]->problem), "%s", err);
	return 0;
}

/* From the sidecar. False: there is none that fits. */
static bool workspace_open_sidecar(struct workspace *workspace, const char *file,
				   bool old)
{
	struct sidecar_process *found;
	uint32_t count = sidecar_open(file, &found);

	for (uint32_t i = 0; i < count; i++) {
		struct process *process =
			workspace_append(workspace, old, found[i].heap, file);

		if (!process) {
			heap_destroy(found[i].heap);
			analysis_destroy(found[i].analysis);
			continue;
		}
		process->analysis = found[i].analysis;
		process->ordinal = i;
		process->from_sidecar = true;
		snprintf(process->problem, sizeof(process->problem), "%s",
			 found[i].problem);
	}
	free(found);
	return count > 0;
}

/* Processor time: what a sidecar would save, however busy the machine is. */
static uint64_t workspace_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int workspace_open_fd(struct workspace *workspace, int fd, const char *file, bool old,
		      const struct progress *progress, char *err, size_t err_size)
{
	struct reading r = {
		.workspace = workspace, .file = file, .old = old, .progress = progress
	};
	const uint64_t began = workspace_now();
	const uint32_t first = old ? workspace->old_count : workspace->count;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || S_ISDIR(st.st_mode)) {
		snprintf(err, err_size, "%s",
			 fd < 0 ? strerror(errno) : "is a directory");
		return -1;
	}
	r.size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	const int rc = workspace_read_file(&r, fd, err, err_size);
	for (uint32_t i = first; i < (old ? workspace->old_count : workspace->count); i++)
		(old ? workspace->old : workspace->process)[i]->cost_ns =
			workspace_now() - began;
	return rc;
}

/* Why a file that exists, or of which we can't know it, isn't opened. */
static void workspace_say_unopened(const char *file, int err, char *ret, size_t size)
{
	struct stat st;

	if (files_may_open(file))
		snprintf(ret, size, "%s", files_error(err));
	else if (stat(file, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
		snprintf(ret, size, "%s", strerror(errno));
	else
		snprintf(ret, size,
			 "run by root, pymem-view opens only files that its command "
			 "line names, as they are written there: start it with this one");
}

int workspace_open(struct workspace *workspace, const char *file, bool old,
		   const struct progress *progress, char *err, size_t err_size)
{
	const bool is_stdin = !strcmp(file, "-");
	const int fd = is_stdin ? STDIN_FILENO : files_open(file, 0);
	struct stat st;

	if (fd < 0) {
		workspace_say_unopened(file, errno, err, err_size);
		return -1;
	}
	/* a pipe has none, and is open once: who writes to it would lose its reader */
	const bool by_sidecar = !is_stdin && !workspace->no_sidecar &&
		!workspace->python_only && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		workspace_open_sidecar(workspace, file, old);
	const int rc = by_sidecar ?
		0 :
		workspace_open_fd(workspace, fd, file, old, progress, err, err_size);
	if (!is_stdin)
		close(fd);
	return rc;
}

void workspace_succeed(struct workspace *w, uint32_t first)
{
	struct process *aged = NULL;

	assert(first < w->count);
	workspace_forget_parents(w);
	for (uint32_t i = 0; i < first; i++)
		if (process_pid(w->process[i]) == process_pid(w->process[first]))
			aged = w->process[i];
	for (uint32_t i = 0; i < first; i++)
		if (w->process[i] != aged)
			workspace_process_free(w->process[i]);
	for (uint32_t i = 0; i < w->old_count; i++)
		workspace_process_free(w->old[i]);
	w->old_count = 0;
	struct process **const old = aged ? realloc(w->old, sizeof(*w->old)) : NULL;
	if (old) {
		w->old = old;
		w->old[w->old_count++] = aged;
		aged->old = NULL;
	} else {
		workspace_process_free(aged); /* or there is no memory to keep it in */
	}
	w->count -= first;
	memmove(w->process, w->process + first, w->count * sizeof(*w->process));
	workspace_pair(w);
}

void workspace_remove(struct workspace *workspace, struct process *process)
{
	uint32_t kept = 0;

	workspace_forget_parents(workspace);
	for (uint32_t i = 0; i < workspace->count; i++) {
		if (workspace->process[i]->old == process)
			workspace->process[i]->old = NULL;
		if (workspace->process[i] != process)
			workspace->process[kept++] = workspace->process[i];
	}
	workspace->count = kept;
	workspace_process_free(process);
}

/* ---- pairs ---- */

void workspace_pair(struct workspace *workspace)
{
	bool any = false;

	for (uint32_t i = 0; i < workspace->count; i++) {
		uint64_t pid = process_pid(workspace->process[i]);

		workspace->process[i]->old = NULL;
		for (uint32_t j = 0; j < workspace->old_count && pid; j++)
			if (process_pid(workspace->old[j]) == pid) {
				workspace->process[i]->old = workspace->old[j];
				any = true;
			}
	}
	if (!any && workspace->count && workspace->old_count)
		workspace->process[0]->old = workspace->old[0];
}

/* ---- series ---- */

static uint64_t workspace_time(const struct process *p)
{
	return heap_fact_u64(p->heap, "time_ns", 0);
}

/* Whether a was taken before b; i, j: their places. */
static bool workspace_before(const struct process *a, uint32_t i, const struct process *b,
			     uint32_t j)
{
	const uint64_t x = workspace_time(a), y = workspace_time(b);

	return x && y && x != y ? x < y : i < j;
}

void workspace_pair_series(struct workspace *w)
{
	for (uint32_t i = 0; i < w->count && !w->old_count; i++) {
		const uint64_t pid = process_pid(w->process[i]);
		uint32_t oldest = i;
		bool newest = pid != 0;

		for (uint32_t j = 0; j < w->count; j++) {
			if (j == i || process_pid(w->process[j]) != pid)
				continue;
			newest &= workspace_before(w->process[j], j, w->process[i], i);
			if (workspace_before(w->process[j], j, w->process[oldest],
					     oldest))
				oldest = j;
		}
		w->process[i]->old = newest && oldest != i ? w->process[oldest] : NULL;
	}
}

bool workspace_compares(const struct workspace *w)
{
	for (uint32_t i = 0; i < w->count; i++)
		if (w->process[i]->old)
			return true;
	return false;
}

/* ---- analysis ---- */

/* All processes of a file are analysed: their sidecar can be written. */
static void workspace_save_sidecar(struct workspace *workspace, const struct process *of)
{
	struct sidecar_process *list;
	uint64_t cost = 0;
	uint32_t count = 0;

	assert(of->analysis);
	if (workspace->no_sidecar || workspace->python_only || of->live ||
	    of->from_sidecar || !strcmp(of->file, "-"))
		return;
	list = calloc((size_t)workspace->count + workspace->old_count, sizeof(*list));
	for (uint32_t i = 0; list && i < workspace->count + workspace->old_count; i++) {
		const struct process *p = i < workspace->count ?
			workspace->process[i] :
			workspace->old[i - workspace->count];

		if (strcmp(p->file, of->file))
			continue;
		if (!p->analysis || p->from_sidecar || p->ordinal != count) {
			count = 0;
			break;
		}
		cost = count ? cost + p->analysis_ns : p->cost_ns + p->analysis_ns;
		list[count].heap = p->heap;
		list[count].analysis = p->analysis;
		snprintf(list[count].problem, sizeof(list[count].problem), "%s",
			 p->problem);
		count++;
	}
	if (count && (workspace->sidecar || cost >= WORKSPACE_QUICK_NS))
		sidecar_save(of->file, list, count);
	free(list);
}

int workspace_analyse(struct workspace *workspace, struct process *process,
		      const struct progress *progress)
{
	int err;

	process->heap->forked_from = workspace_parent(workspace, process->heap);
	if (process->analysis)
		return 0;
	const uint64_t began = workspace_now();
	err = analysis_run(process->heap, progress, &process->analysis);
	process->analysis_ns = workspace_now() - began;
	if (!err)
		workspace_save_sidecar(workspace, process);
	return err;
}

/* Fills workspace->between; they are in order of time then. */
static int workspace_find_between(struct workspace *w, const struct process *process,
				  const struct progress *progress)
{
	const struct process *last = process->old;
	int err = 0;

	w->between.size = 0;
	for (bool more = true; more && !err;) {
		struct process *next = NULL;

		for (uint32_t i = 0; i < w->count; i++) {
			struct process *p = w->process[i];

			if (p != process && process_pid(p) == process_pid(process) &&
			    workspace_time(p) > workspace_time(last) &&
			    workspace_time(p) < workspace_time(process) &&
			    (!next || workspace_time(p) < workspace_time(next)))
				next = p;
		}
		more = next != NULL;
		if (!more)
			break;
		last = next;
		err = workspace_analyse(w, next, progress);
		if (!err)
			err = vec_append(&w->between, &next->analysis,
					 sizeof(next->analysis));
	}
	return err;
}

int workspace_context(struct workspace *workspace, struct process *process,
		      const struct report *report, const struct progress *progress,
		      struct report_context *ret)
{
	int err = 0;

	if (report->needs & NEEDS_ANALYSIS)
		err = workspace_analyse(workspace, process, progress);
	if (!err && report->needs & NEEDS_OLD && report->needs & NEEDS_ANALYSIS &&
	    process->old)
		err = workspace_analyse(workspace, process->old, progress);
	workspace->between.size = 0;
	if (!err && report->needs & NEEDS_OLD && report->needs & NEEDS_ANALYSIS &&
	    process->old && !process->live)
		err = workspace_find_between(workspace, process, progress);
	*ret = (struct report_context){
		.heap = process->heap,
		.analysis = process->analysis,
		.progress = progress,
		.old = process->old ? process->old->heap : NULL,
		.old_analysis = process->old ? process->old->analysis : NULL,
		.between = workspace->between.data,
		.between_count =
			(uint32_t)VEC_COUNT(workspace->between, struct analysis *),
	};
	return err;
}
