/* SPDX-License-Identifier: MIT */
/* The frame around the view: title, tabs, message, keys; and the progress box. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "viewer/screen/app.h"
#include "viewer/screen/glyph.h"

static const struct hint common_hints[] = {
	{ KEY_IS_BACKSPACE, "Bksp", "back" },
	{ '/', "/", "search" },
	{ '\\', "\\", "filter" },
	{ '>', "< >", "sort" },
	{ 'g', "g", "graph" },
};

/* Always there, at the right. */
static const struct hint last_hints[] = { { '?', "?", "help" }, { 'q', "q", "quit" } };

static void app_frame_hit(struct app *app, int y, int x, int width, uint32_t key)
{
	if (app->nhits < APP_MAX_HITS && width > 0)
		app->hits[app->nhits++] = (struct hit){ y, x, width, key };
}

/* "Overview > Types > __main__.Foo" of the page, the last part strong. */
static void app_frame_draw_crumbs(struct app *app, struct page *page, int x, int width)
{
	const char *sep = app->surface.ascii ? " > " : " \xe2\x80\xba ";
	char line[PAGE_MAX_DEPTH * 8 + 512] = "";
	size_t n = 0;
	struct view *tab = page->tab_view[page->tab];
	int first = page->depth > 4 ? page->depth - 4 : 0;

	n += (size_t)snprintf(line, sizeof(line), "%s", tab ? tab->crumb : "");
	if (first > 0)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s...", sep);
	for (int i = first; i < page->depth && n < sizeof(line); i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", sep,
				      page->drilled[i]->crumb);
	int columns = glyph_columns(line, strlen(line), app->surface.ascii, 4096);
	if (columns > width)
		surface_right(&app->surface, 0, x, width, STYLE_CRUMB, line);
	else
		surface_puts(&app->surface, 0, x, width, STYLE_CRUMB, line);
}

static void app_frame_draw_title(struct app *app, struct page *page)
{
	struct surface *s = &app->surface;
	char count[32] = "";

	surface_fill(s, 0, 0, s->width, STYLE_TITLE, ' ');
	if (app->npages > 1)
		snprintf(count, sizeof(count), "[%d/%d]", app->current + 1, app->npages);
	int right = s->width - (int)strlen(count);
	surface_puts(s, 0, right, s->width - right, STYLE_TITLE, count);
	int room = right - 2;
	int x = 1 +
		surface_puts(s, 0, 1, room > 60 ? room / 2 : room * 2 / 5, STYLE_TITLE,
			     page ? page->title : "pymem");
	if (page)
		app_frame_draw_crumbs(app, page, x + 2, right - x - 3);
}

/* "1 Overview", or "1Over" where the full titles don't fit. */
static void app_frame_tab_text(char text[48], const struct tab *tab, bool narrow)
{
	snprintf(text, 48, "%c%s%s", (int)tab->key, narrow ? "" : " ",
		 narrow ? tab->brief : tab->title);
}

static void app_frame_draw_tabs(struct app *app, struct page *page, int y)
{
	struct surface *s = &app->surface;
	char text[48];
	int x = 0, need = 0;

	for (int i = 0; i < page->ntabs; i++) {
		app_frame_tab_text(text, &page->tabs[i], false);
		need += (int)strlen(text) + 2;
	}
	bool narrow = need - 2 > s->width;
	for (int i = 0; i < page->ntabs && x < s->width; i++) {
		app_frame_tab_text(text, &page->tabs[i], narrow);
		int n = surface_puts(s, y, x, s->width - x,
				     i == page->tab ? STYLE_TAB_ON : STYLE_TAB, text);
		app_frame_hit(app, y, x, n, page->tabs[i].key);
		x += n + (narrow ? 1 : 2);
	}
}

static void app_frame_draw_status(struct app *app, int y)
{
	struct surface *s = &app->surface;

	if (app->prompt.kind != PROMPT_NONE) {
		const char *sign = prompt_sign(app->prompt.kind);
		int n = surface_puts(s, y, 0, s->width, STYLE_PROMPT, sign);
		surface_right(s, y, n, 0, STYLE_PROMPT, "");
		int columns =
			glyph_columns(app->prompt.text, app->prompt.size, s->ascii, 4096);
		if (columns >= s->width - n - 1)
			surface_right(s, y, n, s->width - n - 1, STYLE_PROMPT,
				      app->prompt.text);
		else
			n += surface_puts(s, y, n, s->width - n - 1, STYLE_PROMPT,
					  app->prompt.text);
		surface_fill(s, y, n < s->width ? n : s->width - 1, 1, STYLE_CURSOR, ' ');
		/* what is said of the text so far: that nothing holds it */
		const int room = s->width - n - 2;
		const int said = (int)strlen(app->message);
		if (said && said < room)
			surface_puts(s, y, s->width - said, said, app->message_style,
				     app->message);
		return;
	}
	if (app->message[0]) {
		surface_puts(s, y, 0, s->width, app->message_style, app->message);
		return;
	}
	struct page *page = app_page(app);
	struct view *view = page ? page_view(page) : NULL;
	struct grid *g = view && view->loaded && !view->error ? view->grid : NULL;
	if (!g)
		return;
	char left[200], right[64];
	snprintf(left, sizeof(left), "%s%s", g->filter[0] ? "filter: " : "", g->filter);
	snprintf(right, sizeof(right), "%zu of %zu", g->shown ? g->cursor + 1 : 0,
		 g->shown);
	surface_puts(s, y, 0, s->width - 24, STYLE_DIM, left);
	surface_right(s, y, s->width - 24, 23, STYLE_DIM, right);
}

static int app_frame_hint_width(const struct hint *h)
{
	return (int)strlen(h->name) + 1 + (int)strlen(h->text);
}

/* Draws a hint at x unless it would reach `end`; returns where the next one goes. */
static int app_frame_draw_hint(struct app *app, int y, int x, int end,
			       const struct hint *h)
{
	struct surface *s = &app->surface;

	if (x + app_frame_hint_width(h) > end)
		return x;
	int n = surface_puts(s, y, x, end - x, STYLE_KEY, h->name) + 1;
	n += surface_puts(s, y, x + n, end - x - n, STYLE_KEY_TEXT, h->text);
	app_frame_hit(app, y, x, n, h->key);
	return x + n + 2;
}

static void app_frame_draw_keys(struct app *app, struct view *view, int y)
{
	int x = 0, end = app->surface.width;

	if (app->prompt.kind != PROMPT_NONE) {
		static const struct hint editing[] = {
			{ KEY_IS_ENTER, "Enter", "accept" },
			{ KEY_IS_ESC, "Esc", "cancel" },
		};
		for (int i = 0; i < 2; i++)
			x = app_frame_draw_hint(app, y, x, end, &editing[i]);
		return;
	}
	end -= app_frame_hint_width(&last_hints[0]) + 2 +
		app_frame_hint_width(&last_hints[1]);
	int right = app_frame_draw_hint(app, y, end, app->surface.width, &last_hints[0]);
	app_frame_draw_hint(app, y, right, app->surface.width, &last_hints[1]);
	end -= 2;
	static const struct hint pages = { KEY_IS_RIGHT, "<- ->", "pages" };
	for (const struct hint *h = view ? view->ops->hints : NULL; h && h->name; h++)
		x = app_frame_draw_hint(app, y, x, end, h);
	if (app->npages > 1)
		x = app_frame_draw_hint(app, y, x, end, &pages);
	for (size_t i = 0; i < sizeof(common_hints) / sizeof(*common_hints); i++) {
		const struct hint *h = &common_hints[i];
		bool lists = h->key == '/' || h->key == '\\' || h->key == '>';
		if (lists &&
		    (!view || !view->grid || (h->key == '>' && view->grid->fixed_order)))
			continue;
		if (h->key == 'g' && (!view || !view->ops->subject))
			continue;
		x = app_frame_draw_hint(app, y, x, end, h);
	}
}

static void app_frame_draw_failed(struct app *app, const struct view *view, struct rect r)
{
	const char *why = view->error == -ECANCELED ? "Stopped." :
		view->error == -ENOMEM		    ? "Out of memory." :
						      strerror(-view->error);

	surface_puts(&app->surface, r.y + 1, r.x + 2, r.width - 4, STYLE_WARN, why);
	surface_puts(&app->surface, r.y + 2, r.x + 2, r.width - 4, STYLE_NORMAL,
		     "R tries again.");
}

static void app_frame_draw_too_small(struct app *app)
{
	struct surface *s = &app->surface;

	surface_puts(s, 0, 0, s->width, STYLE_WARN, "too small");
	surface_printf(s, 1, 0, s->width, STYLE_NORMAL, "%dx%d, needs %dx%d", s->width,
		       s->height, APP_MIN_WIDTH, APP_MIN_HEIGHT);
}

static void app_frame_draw_all(struct app *app)
{
	struct surface *s = &app->surface;
	struct page *page = app_page(app);
	struct view *view = page ? page_view(page) : NULL;

	app->nhits = 0;
	surface_clear(s);
	if (s->width < APP_MIN_WIDTH || s->height < APP_MIN_HEIGHT) {
		app_frame_draw_too_small(app);
		return;
	}
	app_frame_draw_title(app, page);
	int top = 1;
	if (page && page->ntabs > 1 && s->height >= 14)
		app_frame_draw_tabs(app, page, top++);
	struct rect r = { top, 0, s->height - 2 - top, s->width };
	if (view && view->error)
		app_frame_draw_failed(app, view, r);
	else if (view && view->loaded)
		view->ops->draw(view, s, r);
	else if (!page)
		surface_puts(s, r.y + 1, 2, r.width - 4, STYLE_DIM,
			     app->working ? "" : "waiting for the first snapshot");
	app_frame_draw_status(app, s->height - 2);
	app_frame_draw_keys(app, view, s->height - 1);
}

/* A view may have to find out what it draws: the box that this shows must not stay. */
void app_draw(struct app *app)
{
	app->progress_began_ns = app_now_ns();
	app->boxed = false;
	app_frame_draw_all(app);
	if (app->boxed) {
		app->boxless = true;
		app_frame_draw_all(app);
		app->boxless = false;
	}
	app->terminal->ops->show(app->terminal, &app->surface);
}

static void app_frame_draw_progress(struct app *app, const char *phase, uint64_t done,
				    uint64_t total)
{
	struct surface *s = &app->surface;
	int width = s->width < 64 ? s->width - 4 : 60;
	struct rect r = { s->height / 2 - 3, (s->width - width) / 2, 5, width };

	if (r.y < 0 || width < 20)
		return;
	double share = total ? (double)done / (double)total : 0;
	surface_box(s, r, STYLE_NORMAL);
	surface_puts(s, r.y + 1, r.x + 2, width - 4, STYLE_STRONG, phase);
	if (total) {
		surface_printf(s, r.y + 1, r.x + width - 7, 6, STYLE_NORMAL, "%3d %%",
			       (int)(share * 100));
		surface_bar(s, r.y + 2, r.x + 2, width - 4, STYLE_BAR, share);
	}
	surface_puts(s, r.y + 3, r.x + 2, width - 4, STYLE_DIM, "Esc stops this");
}

/* The box appears once work has taken a fifth of a second, then ten times a second. */
static bool app_frame_on_progress(void *arg, const char *phase, uint64_t done,
				  uint64_t total)
{
	struct app *app = arg;
	uint64_t now = app_now_ns();

	if (app->terminal->scripted)
		return app->terminal->ops->interrupted(app->terminal);
	if (now - app->progress_began_ns < 200000000u ||
	    now - app->progress_drawn_ns < 100000000u)
		return false;
	app->progress_drawn_ns = now;
	if (app->feed)
		app_pump(app, 0);
	if (app->surface.cells && !app->boxless) {
		app->boxed = true;
		app_frame_draw_progress(app, phase, done, total);
		app->terminal->ops->show(app->terminal, &app->surface);
	}
	return app->terminal->ops->interrupted(app->terminal);
}

struct progress app_progress(struct app *app)
{
	return (struct progress){ .report = app_frame_on_progress, .arg = app };
}

void app_work_begin(struct app *app)
{
	app->working = true;
	app->progress_began_ns = app_now_ns();
	app->progress_drawn_ns = 0;
}

void app_work_end(struct app *app)
{
	app->working = false;
}
