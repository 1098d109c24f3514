/* SPDX-License-Identifier: MIT */
/*
 * session - the processes being looked at (session.h).
 *
 * A file is read once, front to back, through the parser, each process into a
 * loader of its own.  When the file is a regular one and has a fresh sidecar, the
 * heap and its analysis are mapped from there instead.
 */
#include "viewer/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/core/reader.h"
#include "viewer/model/load.h"
#include "viewer/model/sidecar.h"
#include "viewer/report/escape.h"

void session_init(struct session *session)
{
	memset(session, 0, sizeof(*session));
}

static void session_process_free(struct process *process)
{
	if (!process)
		return;
	analysis_destroy(process->analysis);
	heap_destroy(process->heap);
	free((char *)(uintptr_t)process->file);
	free(process);
}

void session_free(struct session *session)
{
	for (uint32_t i = 0; i < session->count; i++)
		session_process_free(session->process[i]);
	for (uint32_t i = 0; i < session->old_count; i++)
		session_process_free(session->old[i]);
	free(session->process);
	free(session->old);
	session_init(session);
}

uint64_t process_pid(const struct process *process)
{
	return heap_fact_u64(process->heap, "pid", 0);
}

/* ---- adding ---- */

static struct process *session_append(struct session *session, bool old,
				      struct heap *heap, const char *file)
{
	struct process ***list = old ? &session->old : &session->process;
	uint32_t *count = old ? &session->old_count : &session->count;
	struct process *process = calloc(1, sizeof(*process));
	struct process **grown = realloc(*list, (*count + 1) * sizeof(*grown));

	if (grown)
		*list = grown;
	if (process)
		process->file = strdup(file);
	if (!process || !grown || !process->file) {
		free(process);
		return NULL;
	}
	process->heap = heap;
	(*list)[(*count)++] = process;
	return process;
}

struct process *session_add(struct session *session, struct heap *heap, const char *file)
{
	return session_append(session, false, heap, file);
}

/* ---- reading ---- */

struct reading {
	struct session *session;
	const char *file;
	bool old;
	const struct progress *progress;
	struct loader *loader;
	int err;	     /* negative errno of our side */
	uint64_t size, done; /* bytes of the file */
};

static struct snap_sink *session_on_begin(void *arg, uint32_t ordinal)
{
	struct reading *r = arg;

	(void)ordinal;
	r->loader = loader_create();
	if (!r->loader)
		r->err = -ENOMEM;
	return r->loader ? loader_sink(r->loader) : NULL;
}

static void session_say_problem(struct process *process,
				const struct snap_problem *problem)
{
	struct text text = { 0 };

	if (!problem)
		return;
	text_escape(&text, problem->text, strlen(problem->text), 250, 0);
	snprintf(process->problem, sizeof(process->problem), "%s", text_str(&text));
	text_free(&text);
}

static int session_on_finish(void *arg, uint32_t ordinal, int complete,
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
	process = session_append(r->session, r->old, heap, r->file);
	if (!process) {
		heap_destroy(heap);
		return r->err = -ENOMEM;
	}
	process->ordinal = ordinal;
	session_say_problem(process, problem);
	if (!complete && !process->problem[0])
		snprintf(process->problem, sizeof(process->problem),
			 "the snapshot is truncated");
	return 0;
}

static const struct snap_parser_ops parser_ops = { session_on_begin, session_on_finish };

#define READ_SIZE (1u << 20)

/* Feeds the parser to the end of fd. 0, or -1 with *problem filled. */
static int session_feed(struct reading *r, int fd, struct snap_parser *parser, char *buf,
			struct snap_problem *problem)
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

static int session_read_stream(struct reading *r, int fd, char *err, size_t err_size)
{
	struct snap_parser_options options = { 0 };
	struct snap_problem problem = { 0 };
	struct snap_parser *parser = snap_parser_create(&options, &parser_ops, r);
	char *buf = malloc(READ_SIZE);
	int failed = -1;

	if (parser && buf)
		failed = session_feed(r, fd, parser, buf, &problem);
	else
		r->err = -ENOMEM;
	/* what came before the failure is worth showing */
	if (failed && !r->err && r->loader)
		session_on_finish(r, 0, 0, &problem);
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
				 strerror(-r->err));
	else if (failed)
		snprintf(err, err_size, "%s", problem.text);
	return failed;
}

/* Reads fd. -1 with err when nothing came of it. */
static int session_read_file(struct reading *r, int fd, char *err, size_t err_size)
{
	uint32_t *count = r->old ? &r->session->old_count : &r->session->count,
		 before = *count;
	struct process **list;
	int failed = session_read_stream(r, fd, err, err_size);

	if (failed && (r->err || *count == before)) {
		list = r->old ? r->session->old : r->session->process;
		while (*count > before)
			session_process_free(list[--*count]);
		return -1;
	}
	if (*count == before) {
		snprintf(err, err_size, "no process in it");
		return -1;
	}
	list = r->old ? r->session->old : r->session->process;
	if (failed && !list[*count - 1]->problem[0])
		snprintf(list[*count - 1]->problem, sizeof(list[0]->problem), "%s", err);
	return 0;
}

/* From the sidecar. False: there is none that fits. */
static bool session_open_sidecar(struct session *session, const char *file, bool old)
{
	struct sidecar_process *found;
	uint32_t count = sidecar_open(file, &found);

	for (uint32_t i = 0; i < count; i++) {
		struct process *process =
			session_append(session, old, found[i].heap, file);

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

int session_open(struct session *session, const char *file, bool old,
		 const struct progress *progress, char *err, size_t err_size)
{
	struct reading r = {
		.session = session, .file = file, .old = old, .progress = progress
	};
	bool is_stdin = !strcmp(file, "-");
	struct stat st;
	int fd, rc;

	if (!is_stdin && !session->no_sidecar && session_open_sidecar(session, file, old))
		return 0;
	fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || S_ISDIR(st.st_mode)) {
		snprintf(err, err_size, "%s",
			 fd < 0 ? strerror(errno) : "is a directory");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	r.size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	rc = session_read_file(&r, fd, err, err_size);
	if (!is_stdin)
		close(fd);
	return rc;
}

void session_remove(struct session *session, struct process *process)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < session->count; i++) {
		if (session->process[i]->old == process)
			session->process[i]->old = NULL;
		if (session->process[i] != process)
			session->process[kept++] = session->process[i];
	}
	session->count = kept;
	session_process_free(process);
}

/* ---- pairs ---- */

void session_pair(struct session *session)
{
	bool any = false;

	for (uint32_t i = 0; i < session->count; i++) {
		uint64_t pid = process_pid(session->process[i]);

		session->process[i]->old = NULL;
		for (uint32_t j = 0; j < session->old_count && pid; j++)
			if (process_pid(session->old[j]) == pid) {
				session->process[i]->old = session->old[j];
				any = true;
			}
	}
	if (!any && session->count && session->old_count)
		session->process[0]->old = session->old[0];
}

/* ---- analysis ---- */

/* All processes of a file are analysed: their sidecar can be written. */
static void session_save_sidecar(struct session *session, const struct process *of)
{
	struct sidecar_process *list;
	uint32_t count = 0;

	if (session->no_sidecar || of->live || of->from_sidecar || !strcmp(of->file, "-"))
		return;
	list = calloc((size_t)session->count + session->old_count, sizeof(*list));
	for (uint32_t i = 0; list && i < session->count + session->old_count; i++) {
		const struct process *p = i < session->count ?
			session->process[i] :
			session->old[i - session->count];

		if (strcmp(p->file, of->file))
			continue;
		if (!p->analysis || p->from_sidecar || p->ordinal != count) {
			count = 0;
			break;
		}
		list[count].heap = p->heap;
		list[count].analysis = p->analysis;
		snprintf(list[count].problem, sizeof(list[count].problem), "%s",
			 p->problem);
		count++;
	}
	if (count)
		sidecar_save(of->file, list, count);
	free(list);
}

int session_analyse(struct session *session, struct process *process,
		    const struct progress *progress)
{
	int err;

	if (process->analysis)
		return 0;
	err = analysis_run(process->heap, progress, &process->analysis);
	if (!err)
		session_save_sidecar(session, process);
	return err;
}

int session_context(struct session *session, struct process *process,
		    const struct report *report, const struct progress *progress,
		    struct report_context *ret)
{
	int err = 0;

	if (report->needs & NEEDS_ANALYSIS)
		err = session_analyse(session, process, progress);
	if (!err && report->needs & NEEDS_OLD && report->needs & NEEDS_ANALYSIS &&
	    process->old)
		err = session_analyse(session, process->old, progress);
	*ret = (struct report_context){
		.heap = process->heap,
		.analysis = process->analysis,
		.progress = progress,
		.old = process->old ? process->old->heap : NULL,
		.old_analysis = process->old ? process->old->analysis : NULL,
	};
	return err;
}
