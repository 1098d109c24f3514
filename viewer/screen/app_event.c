/* SPDX-License-Identifier: MIT */
/* Keys and clicks: prompts first, then the view and its list, then the frame. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/screen/app.h"

static struct view *app_event_current_view(struct app *app)
{
	struct page *page = app_page(app);

	return page ? page_view(page) : NULL;
}

static struct grid *app_event_current_grid(struct app *app)
{
	struct view *view = app_event_current_view(app);

	return view && view->loaded && !view->error ? view->grid : NULL;
}

static void app_event_find(struct app *app, int step)
{
	struct grid *g = app_event_current_grid(app);

	if (!g)
		return;
	if (!g->search[0]) {
		prompt_open(&app->prompt, PROMPT_SEARCH, "");
		app->prompt.from = g->cursor;
		return;
	}
	app_work_begin(app);
	if (!grid_find(g, g->cursor, step, false, &app->progress))
		app_say(app, STYLE_WARN, "not found: %s", g->search);
	app_work_end(app);
}

static void app_event_search_changed(struct app *app, struct grid *g)
{
	snprintf(g->search, sizeof(g->search), "%.*s", (int)sizeof(g->search) - 1,
		 app->prompt.text);
	app->message[0] = 0;
	app_work_begin(app);
	grid_fold(g, &app->progress); /* where prompt.from is a row of */
	if (!g->search[0])
		g->cursor = app->prompt.from;
	else if (!grid_find(g, app->prompt.from, 1, true, &app->progress))
		app_say(app, STYLE_WARN, "not found: %s", g->search);
	app_work_end(app);
}

static void app_event_filter_now(struct app *app, struct grid *g, const char *text)
{
	app_work_begin(app);
	int err = grid_filter(g, text, &app->progress);
	app_work_end(app);
	if (err)
		app_say(app, STYLE_WARN, err == -ECANCELED ? "stopped" : "out of memory");
}

/* Lists beyond this are filtered when the text is complete, not at each key. */
enum { FILTER_AT_ONCE = 200000 };

static void app_event_prompt_changed(struct app *app)
{
	struct grid *g = app_event_current_grid(app);

	if (!g)
		return;
	if (app->prompt.kind == PROMPT_SEARCH)
		app_event_search_changed(app, g);
	else if (app->prompt.kind == PROMPT_FILTER && grid_all_rows(g) <= FILTER_AT_ONCE)
		app_event_filter_now(app, g, app->prompt.text);
	else if (app->prompt.kind == PROMPT_FILTER)
		app_say(app, STYLE_DIM, "many rows: Enter filters");
}

static void app_event_prompt_accepted(struct app *app, enum prompt_kind kind)
{
	struct grid *g = app_event_current_grid(app);

	app->message[0] = 0;
	if (kind == PROMPT_COMMAND)
		app_command(app, app->prompt.text);
	else if (kind == PROMPT_ADDRESS)
		app_open_address(app, app->prompt.text);
	else if (kind == PROMPT_FILTER && g && strcmp(g->filter, app->prompt.text) != 0)
		app_event_filter_now(app, g, app->prompt.text);
}

static void app_event_prompt_cancelled(struct app *app, enum prompt_kind kind)
{
	struct grid *g = app_event_current_grid(app);

	app->message[0] = 0;
	if (kind == PROMPT_SEARCH && g) {
		g->search[0] = 0;
		grid_fold(g, &app->progress);
		g->cursor = app->prompt.from < g->shown ? app->prompt.from : g->cursor;
	}
	if (kind == PROMPT_FILTER && g)
		app_event_filter_now(app, g, "");
}

static void app_event_prompt_key(struct app *app, const struct event *e)
{
	enum prompt_kind kind = app->prompt.kind;

	switch (prompt_event(&app->prompt, e)) {
	case PROMPT_CHANGED:
		app_event_prompt_changed(app);
		break;
	case PROMPT_ACCEPTED:
		app_event_prompt_accepted(app, kind);
		break;
	case PROMPT_CANCELLED:
		app_event_prompt_cancelled(app, kind);
		break;
	case PROMPT_UNUSED:
		break;
	}
}

static void app_event_open_prompt(struct app *app, enum prompt_kind kind)
{
	struct grid *g = app_event_current_grid(app);

	if ((kind == PROMPT_SEARCH || kind == PROMPT_FILTER) && !g) {
		app_say(app, STYLE_WARN, "nothing to search here");
		return;
	}
	prompt_open(&app->prompt, kind, kind == PROMPT_FILTER && g ? g->filter : "");
	app->prompt.from = g ? g->cursor : 0;
}

void app_open_address(struct app *app, const char *text)
{
	struct page *page = app_page(app);
	char *rest;

	errno = 0;
	unsigned long long address = strtoull(text, &rest, 0);
	if (!page || !page->process)
		return;
	if (errno || rest == text || *rest) {
		app_say(app, STYLE_ERROR, "not an address: %.80s", text);
		return;
	}
	uint32_t node = heap_find(page->process->heap, address);
	if (node == HEAP_NONE)
		app_say(app, STYLE_WARN, "no object begins at 0x%llx", address);
	else
		page_open_node(page, node);
}

static void app_event_step_page(struct app *app, int step)
{
	int to = app->current + step;

	if (app->npages < 2)
		return;
	app->current = (to + app->npages) % app->npages;
}

static void app_event_reload(struct app *app)
{
	struct view *view = app_event_current_view(app);

	if (view) {
		view->loaded = false;
		view->error = 0;
	}
}

static void app_event_back(struct app *app)
{
	struct page *page = app_page(app);
	struct grid *g = app_event_current_grid(app);

	if (g && g->filter[0])
		app_event_filter_now(app, g, "");
	else if (page)
		page_pop(page);
}

/* Of what was begun last: the filter, the search, the way here. */
static void app_event_escape(struct app *app)
{
	struct grid *g = app_event_current_grid(app);

	if (g && !g->filter[0] && g->search[0])
		g->search[0] = 0;
	else
		app_event_back(app);
}

static bool app_event_tab_key(struct app *app, uint32_t key)
{
	struct page *page = app_page(app);
	int to = -1;

	for (int i = 0; page && i < page->ntabs; i++)
		if (page->tabs[i].key == key)
			to = i;
	if (page && key == KEY_IS_TAB)
		to = (page->tab + 1) % page->ntabs;
	if (page && key == KEY_IS_BACKTAB)
		to = (page->tab + page->ntabs - 1) % page->ntabs;
	if (to >= 0)
		page_tab(page, to);
	return to >= 0;
}

static bool app_event_in_help(const struct page *page)
{
	return page->depth && strcmp(page->drilled[page->depth - 1]->crumb, "Help") == 0;
}

static void app_event_help(struct app *app)
{
	struct page *page = app_page(app);

	if (!page)
		return;
	if (app_event_in_help(page))
		page_pop(page);
	else
		page_push(page, view_help_create(page, NULL));
}

/* Out of help, else out of the program. */
static void app_event_quit(struct app *app)
{
	struct page *page = app_page(app);

	if (page && app_event_in_help(page))
		page_pop(page);
	else
		app->quit = true;
}

/* Keys that open a prompt; false = another key. */
static bool app_event_opens_prompt(struct app *app, int key)
{
	switch (key) {
	case '/':
	case KEY_IS_F3:
		app_event_open_prompt(app, PROMPT_SEARCH);
		return true;
	case '\\':
	case KEY_IS_F4:
		app_event_open_prompt(app, PROMPT_FILTER);
		return true;
	case ':':
		app_event_open_prompt(app, PROMPT_COMMAND);
		return true;
	case '@':
		app_event_open_prompt(app, PROMPT_ADDRESS);
		return true;
	default:
		return false;
	}
}

/* Keys of the frame itself. */
static void app_event_frame_key(struct app *app, const struct event *e)
{
	if (app_event_tab_key(app, e->key) || app_event_opens_prompt(app, e->key))
		return;
	switch (key_as_motion(e->key)) {
	case KEY_IS_LEFT:
		app_event_step_page(app, -1);
		return;
	case KEY_IS_RIGHT:
		app_event_step_page(app, 1);
		return;
	default:
		break;
	}
	switch (e->key) {
	case 'q':
	case KEY_IS_F10:
		app_event_quit(app);
		break;
	case '?':
	case KEY_IS_F1:
		app_event_help(app);
		break;
	case 'n':
		app_event_find(app, 1);
		break;
	case 'N':
		app_event_find(app, -1);
		break;
	case KEY_IS_BACKSPACE:
		app_event_back(app);
		break;
	case KEY_IS_ESC:
		app_event_escape(app);
		break;
	case 'R':
	case KEY_IS_F5:
		app_event_reload(app);
		break;
	case 'g':
		app_graph_ask(app);
		break;
	default:
		break;
	}
}

static bool app_event_view_event(struct app *app, const struct event *e)
{
	struct view *view = app_event_current_view(app);

	if (!view || !view->loaded || view->error)
		return false;
	if (view->ops->event && view->ops->event(view, e))
		return true;
	if (!view->grid)
		return false;
	app_work_begin(app);
	enum grid_result result = grid_event(view->grid, e, &app->progress);
	app_work_end(app);
	if (result == GRID_ENTER && view->ops->enter)
		view->ops->enter(view);
	return result != GRID_IGNORED;
}

/* A click on a tab or a key of the bar is that key. */
static bool app_event_click_frame(struct app *app, const struct event *e)
{
	for (int i = 0; i < app->nhits; i++) {
		const struct hit *h = &app->hits[i];
		if (e->y != h->y || e->x < h->x || e->x >= h->x + h->width)
			continue;
		app_event(app, &(struct event){ .key = h->key });
		return true;
	}
	return false;
}

void app_event(struct app *app, const struct event *e)
{
	switch (e->key) {
	case KEY_IS_EOF:
		app->quit = true;
		return;
	case KEY_IS_COMMAND:
		app_command(app, e->text);
		return;
	case KEY_IS_RESIZE:
	case KEY_IS_REDRAW:
		return;
	default:
		break;
	}
	if (app->surface.width < APP_MIN_WIDTH || app->surface.height < APP_MIN_HEIGHT) {
		if (e->key == 'q')
			app->quit = true;
		return;
	}
	app->message[0] = 0;
	if (e->key == KEY_IS_CLICK && app_event_click_frame(app, e))
		return;
	if (app->prompt.kind != PROMPT_NONE)
		app_event_prompt_key(app, e);
	else if (!app_event_view_event(app, e))
		app_event_frame_key(app, e);
}
