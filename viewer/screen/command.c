/* SPDX-License-Identifier: MIT */
/*
 * `:` commands, for people and for scripts.  A script's failed assertion is said
 * on stderr with the screen as it was, and makes the program's exit code 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/name/candidates.h"
#include "viewer/files/files.h"
#include "viewer/live/feed.h"
#include "formats/text/print.h"
#include "viewer/screen/app.h"
#include "viewer/screen/live_pages.h"

enum { WAIT_MS = 30000 };

struct command {
	const char *name;
	void (*run)(struct app *, const char *argument);
};

static void command_failed(struct app *app, const char *what, const char *argument)
{
	app->failures++;
	app_say(app, STYLE_ERROR, "%s: %.200s", what, argument);
	if (!app->terminal->scripted)
		return;
	print_format(stderr, "pymem-view: script line %d: %s: %s\n",
		     terminal_script_line(app->terminal), what, argument);
	surface_dump(&app->surface, stderr);
}

/* Brings the screen up to date with what the last key did. */
static void command_settle(struct app *app)
{
	struct page *page;
	struct view *view;

	live_pages_settle(app);
	page = app_page(app);
	view = page ? page_view(page) : NULL;
	if (view && !view->loaded) {
		view->loaded = true;
		app_work_begin(app);
		view->error = view->ops->load ? view->ops->load(view) : 0;
		app_work_end(app);
	}
	app_draw(app);
}

static void command_save(struct app *app, const char *file,
			 void (*dump)(const struct surface *, FILE *))
{
	command_settle(app);
	struct new_file to = { .fd = -1 };
	const bool special = *file && files_is_special(file);
	const int fd = special			      ? files_open_special(file) :
		*file && files_create(&to, file) == 0 ? fcntl(to.fd, F_DUPFD_CLOEXEC, 3) :
							-1;
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
	int failed = !out;
	if (out) {
		dump(&app->surface, out);
		failed = fclose(out) != 0;
	}
	if (failed && to.fd >= 0)
		files_abort(&to);
	else if (!special && !failed)
		failed = files_commit(&to) < 0;
	if (failed)
		command_failed(app, "cannot write", file);
}

static void command_save_display(struct app *app, const char *file)
{
	command_save(app, file, surface_dump);
}

static void command_save_looks(struct app *app, const char *file)
{
	command_save(app, file, surface_dump_looks);
}

static void command_resize(struct app *app, const char *argument)
{
	int width, height;

	if (sscanf(argument, "%dx%d", &width, &height) != 2 || width < 1 || height < 1 ||
	    width > 1000 || height > 1000) {
		command_failed(app, "not a size (WxH)", argument);
		return;
	}
	terminal_script_resize(app->terminal, width, height);
	if (app->terminal->scripted)
		surface_resize(&app->surface, width, height);
}

static void command_assert_text(struct app *app, const char *text)
{
	command_settle(app);
	if (!surface_contains(&app->surface, text))
		command_failed(app, "not on the screen", text);
}

static void command_assert_no_text(struct app *app, const char *text)
{
	command_settle(app);
	if (surface_contains(&app->surface, text))
		command_failed(app, "on the screen, but should not be", text);
}

/* Until the text is on the screen; without text, until every stream is over. */
static void command_wait_for(struct app *app, const char *text)
{
	uint64_t until = app_now_ns() + WAIT_MS * 1000000ull;

	for (;;) {
		command_settle(app);
		bool done = *text ? surface_contains(&app->surface, text) :
				    !app->feed || feed_open_streams(app->feed) == 0;
		if (done)
			return;
		if (app_now_ns() > until || !app->feed) {
			command_failed(app, "waited in vain for", text);
			return;
		}
		app_pump(app, 100);
	}
}

static void command_click(struct app *app, const char *argument)
{
	struct event e = { .key = KEY_IS_CLICK };

	if (sscanf(argument, "%d %d", &e.x, &e.y) != 2) {
		command_failed(app, "not a place (X Y)", argument);
		return;
	}
	command_settle(app);
	app_event(app, &e);
}

/* Clicks on the first appearance of a text. */
static void command_click_text(struct app *app, const char *text)
{
	char row[4096];

	command_settle(app);
	for (int y = 0; y < app->surface.height; y++) {
		surface_row(&app->surface, y, row, sizeof(row));
		const char *at = strstr(row, text);
		if (!at)
			continue;
		int x = 0;
		for (const char *p = row; p < at; p++)
			x += ((unsigned char)*p & 0xc0) != 0x80;
		app_event(app, &(struct event){ .key = KEY_IS_CLICK, .y = y, .x = x });
		return;
	}
	command_failed(app, "nothing to click at", text);
}

static void command_interrupt(struct app *app, const char *argument)
{
	int calls = atoi(argument);

	terminal_script_interrupt(app->terminal, calls > 0 ? calls : 1);
}

static void command_quit(struct app *app, const char *argument)
{
	(void)argument;
	app->quit = true;
}

static void command_report(struct app *app, const char *name)
{
	struct page *page = app_page(app);
	const struct report *r = report_find(name);

	if (!r || !page || !page->process) {
		command_failed(app, "no such report", name);
		return;
	}
	page_push(page, view_report_of(page, r, 0, HEAP_NONE));
}

static void command_sql(struct app *app, const char *query)
{
	struct page *page = app_page(app);

	if (*query && page && page->process)
		page_push(page, view_sql_create(page, query));
	else
		command_failed(app, "sql needs a query, on a process's page", query);
}

static void command_failed_type(struct app *app, const char *name)
{
	const struct page *page = app_page(app);
	struct text text = { 0 };

	if (page && page->process)
		candidates_text(&text, page->process->heap, name);
	command_failed(app, text_len(&text) ? text_get(&text) : "no process", name);
	text_free(&text);
}

static void command_type(struct app *app, const char *name)
{
	struct page *page = app_page(app);
	uint32_t id =
		page && page->process ? heap_type_find(page->process->heap, name) : 0;

	if (id)
		page_open_type(page, id);
	else
		command_failed_type(app, name);
}

static void command_go(struct app *app, const char *address)
{
	app_open_address(app, address);
}

/* graph [KIND] [FILE] */
static void command_graph(struct app *app, const char *argument)
{
	char kind[32] = "", file[400] = "";

	sscanf(argument, "%31s %399s", kind, file);
	app_graph(app, kind[0] ? kind : NULL, file[0] ? file : NULL);
}

static const struct command commands[] = {
	{ "q", command_quit },
	{ "quit", command_quit },
	{ "go", command_go },
	{ "type", command_type },
	{ "report", command_report },
	{ "graph", command_graph },
	{ "sql", command_sql },
	{ "save-display", command_save_display },
	{ "save-looks", command_save_looks },
	{ "resize", command_resize },
	{ "assert", command_assert_text },
	{ "assert-not", command_assert_no_text },
	{ "wait", command_wait_for },
	{ "click", command_click },
	{ "click-text", command_click_text },
	{ "interrupt", command_interrupt },
};

void app_command(struct app *app, const char *line)
{
	while (*line == ' ')
		line++;
	size_t n = strcspn(line, " ");
	const char *argument = line + n + strspn(line + n, " ");
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strlen(commands[i].name) == n &&
		    strncmp(line, commands[i].name, n) == 0) {
			commands[i].run(app, argument);
			return;
		}
	}
	command_failed(app, "no such command", line);
}
