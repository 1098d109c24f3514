/* SPDX-License-Identifier: MIT */
/* `g`: a graph of what the cursor is on, and a program to look at it. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/rights/rights.h"
#include "viewer/graph/graph.h"
#include "viewer/screen/app.h"

/* Opens file with the desktop's program, if there is a desktop; root starts none.  A
 * grandchild, so that nobody has to wait for it. */
static bool app_graph_open_with_desktop(const char *file)
{
	if (rights_ours()->more || (!getenv("DISPLAY") && !getenv("WAYLAND_DISPLAY")))
		return false;
	pid_t pid = fork();
	if (pid == 0) {
		if (fork() != 0)
			_exit(0);
		setsid();
		for (int sig = 1; sig < NSIG; sig++)
			if (sig != SIGKILL && sig != SIGSTOP)
				signal(sig, SIG_DFL);
		if (!freopen("/dev/null", "r", stdin) ||
		    !freopen("/dev/null", "w", stdout) ||
		    !freopen("/dev/null", "w", stderr))
			_exit(1);
		execlp("xdg-open", "xdg-open", file, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	return pid > 0;
}

/* Only characters that are safe in a file's name anywhere. */
static void app_graph_safe_name(char *out, size_t size, const char *name)
{
	size_t n = 0;

	for (; *name && n < size - 1; name++) {
		bool plain = (*name >= 'a' && *name <= 'z') ||
			(*name >= 'A' && *name <= 'Z') ||
			(*name >= '0' && *name <= '9') || *name == '.' || *name == '_';
		out[n++] = plain ? *name : '-';
	}
	out[n] = 0;
}

static void app_graph_default_file(const struct app *app, const struct page *page,
				   const struct graph_request *request,
				   struct row_ref ref, char *out, size_t size)
{
	const struct heap *heap = page->process->heap;
	const char *dir = app->options->graph_dir;
	char name[80];

	app_graph_safe_name(name, sizeof(name),
			    ref.type ? heap_type_name(heap, ref.type) : "roots");
	int n = snprintf(out, size, "%s%s%s_%" PRIu64 "_%s", dir ? dir : "",
			 dir ? "/" : "", graph_kind_name(request->kind),
			 process_pid(page->process), name);
	if (ref.node != HEAP_NONE && heap_is_object(heap, ref.node) && n > 0 &&
	    (size_t)n < size)
		n += snprintf(out + n, size - (size_t)n, "_%" PRIx64,
			      heap_address(heap, ref.node));
	if (n > 0 && (size_t)n < size)
		snprintf(out + n, size - (size_t)n, ".svg");
}

/* What the cursor is on, as starts of a graph; an error code as analysis functions. */
static int app_graph_choose(struct app *app, struct page *page, struct row_ref ref,
			    struct graph_request *request)
{
	int err = workspace_analyse(&app->workspace, page->process, &app->progress);

	if (err)
		return err;
	request->starts[0] = ref.node;
	request->nstarts = 1;
	if (ref.node == HEAP_NONE)
		err = graph_type_starts(page->process->analysis, ref.type, request,
					&app->progress);
	return err;
}

static bool app_graph_draw_graph(struct app *app, struct page *page, struct row_ref ref,
				 struct graph_request *request, const char *file)
{
	char err[400], name[600];
	int rc = app_graph_choose(app, page, ref, request);

	if (rc < 0) {
		app_say(app, STYLE_WARN, rc == -ECANCELED ? "stopped" : "out of memory");
		return false;
	}
	if (file)
		snprintf(name, sizeof(name), "%s", file);
	else
		app_graph_default_file(app, page, request, ref, name, sizeof(name));
	if (graph_to_file(page->process->analysis, request, name, &app->progress, err,
			  sizeof(err)) < 0) {
		app_say(app, STYLE_ERROR, "no graph: %s", err);
		return false;
	}
	app_say(app, STYLE_STATUS, "graph written: %s%s", name,
		app_graph_open_with_desktop(name) ? ", opened" : "");
	return true;
}

/* What to draw of what the cursor is on; false after having said why not. */
static bool app_graph_subject(struct app *app, const char *kind, struct row_ref *ref,
			      struct graph_request *request)
{
	struct page *page = app_page(app);
	struct view *view = page ? page_view(page) : NULL;

	if (!view || !page->process || !view->ops->subject || !view->loaded) {
		app_say(app, STYLE_WARN, "nothing to draw here");
		return false;
	}
	*ref = view->ops->subject(view);
	if (ref->node == HEAP_NONE && !ref->type) {
		app_say(app, STYLE_WARN, "nothing to draw under the cursor");
		return false;
	}
	/* Of a root or a node of the dominator tree: what it keeps alive. */
	bool synthetic =
		ref->node != HEAP_NONE && !heap_is_object(page->process->heap, ref->node);
	request->kind = synthetic ? GRAPH_DOMINATORS : GRAPH_BACKREFS;
	if (kind && !graph_kind_find(kind, &request->kind)) {
		app_say(app, STYLE_ERROR, "no such graph: %.40s", kind);
		return false;
	}
	return true;
}

void app_graph(struct app *app, const char *kind, const char *file)
{
	struct graph_request request = { .kind = GRAPH_BACKREFS };
	struct row_ref ref;

	if (!app_graph_subject(app, kind, &ref, &request))
		return;
	app_work_begin(app);
	app_graph_draw_graph(app, app_page(app), ref, &request, file);
	app_work_end(app);
}

void app_graph_ask(struct app *app)
{
	struct graph_request request = { .kind = GRAPH_BACKREFS };
	struct row_ref ref;
	char name[400], line[500];

	if (app->options->graph_dir) {
		app_graph(app, NULL, NULL);
		return;
	}
	if (!app_graph_subject(app, NULL, &ref, &request))
		return;
	app_graph_default_file(app, app_page(app), &request, ref, name, sizeof(name));
	snprintf(line, sizeof(line), "graph %s %s", graph_kind_name(request.kind), name);
	prompt_open(&app->prompt, PROMPT_COMMAND, line);
	app_say(app, STYLE_STATUS, "Enter draws it into this file, Esc doesn't");
}
