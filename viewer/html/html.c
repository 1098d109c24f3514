/* SPDX-License-Identifier: MIT */
/* html - the page around the processes' parts (html.h). */
#include "viewer/html/html.h"

#include <errno.h>
#include <inttypes.h>

#include "formats/text/print.h"
#include "viewer/html/html_part.h"
#include "viewer/html/markup.h"
#include "viewer/together.h"
#include "viewer/text/human.h"

enum { PAGE_PROCESSES = 40, PAGE_BYTES = 2300000 };

static void html_head(FILE *out, const struct workspace *workspace)
{
	struct text text = { 0 };

	html_part_title(&text, workspace->process[0]);
	print_lines(out,
		    "<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
		    "<meta http-equiv=Content-Security-Policy content=\"");
	print_lines(out, html_policy);
	print_lines(out,
		    "\">\n<meta name=viewport content=\"width=device-width\">\n"
		    "<meta name=referrer content=no-referrer>\n");
	struct text title = { 0 };
	text_add(&title, "pymem: ");
	text_add(&title, text_get(&text));
	text_clear(&text);
	markup_element(&text, "title", text_get(&title));
	print_lines(out, text_get(&text));
	print_lines(out, "\n<style>");
	print_lines(out, html_style);
	print_lines(out, "</style>\n</head>\n<body>\n");
	text_free(&title);
	text_free(&text);
}

static void html_intro_memory(struct text *out, const struct process *p)
{
	struct text memory = { 0 };

	together_text(&memory, p);
	if (text_len(&memory))
		text_printf(out, " <span class=note>%s</span>", text_get(&memory));
	text_free(&memory);
}

/* What is shown, and of several processes a table to choose from. */
static void html_intro(struct text *out, const struct workspace *workspace,
		       uint32_t shown)
{
	char buf[HUMAN_SIZE], all[HUMAN_SIZE];

	text_add(out,
		 "<header><h1>pymem</h1><p class=note>What fills the memory of a "
		 "Python process, and what holds it alive. Sizes in units of 1,024 "
		 "bytes.</p></header>\n");
	if (workspace->count < 2)
		return;
	struct text together = { 0 };
	together_title(&together, workspace);
	if (text_len(&together))
		text_printf(out, "<p class=note>%s.</p>", text_get(&together));
	text_free(&together);
	text_add(out, "<nav><ul>");
	for (uint32_t i = 0; i < workspace->count && i < shown; i++) {
		const struct process *p = workspace->process[i];
		struct text title = { 0 };

		html_part_title(&title, p);
		text_printf(out, "<li><a href=\"#p%" PRIu32 "\">", i + 1);
		markup_add(out, text_get(&title));
		text_printf(out, "</a> <span class=size>%s</span> of objects",
			    human_bytes_u64(buf, p->heap->size));
		html_intro_memory(out, p);
		text_add(out, "</li>\n");
		text_free(&title);
	}
	text_add(out, "</ul></nav>\n");
	if (shown < workspace->count)
		text_printf(out, "<p class=warn>The first %s of %s processes.</p>",
			    human_count(buf, shown), human_count(all, workspace->count));
}

int html_write(FILE *out, struct workspace *workspace, const struct progress *progress)
{
	const uint32_t shown =
		workspace->count < PAGE_PROCESSES ? workspace->count : PAGE_PROCESSES;
	struct text text = { 0 };
	size_t size = 0;
	uint32_t i;
	int err = 0;

	if (!workspace->count)
		return -EINVAL;
	html_head(out, workspace);
	html_intro(&text, workspace, shown);
	for (i = 0; i < shown && !err && size < PAGE_BYTES; i++) {
		struct html_part part = { .workspace = workspace,
					  .process = workspace->process[i],
					  .progress = progress,
					  .number = i + 1,
					  .of = shown,
					  .out = &text };

		err = html_part_write(&part);
		print_lines(out, text_get(&text));
		size += text_len(&text);
		text_clear(&text);
	}
	if (i < shown && !err)
		print_format(
			out,
			"<p class=warn>The page is full: %u processes more are in the "
			"snapshot.</p>\n",
			(unsigned)(shown - i));
	text_free(&text);
	print_lines(out, "<script>");
	print_lines(out, html_script);
	print_lines(out, "</script>\n</body>\n</html>\n");
	return err;
}
