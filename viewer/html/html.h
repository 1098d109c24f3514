/* SPDX-License-Identifier: MIT */
/*
 * html - everything worth knowing of some snapshots as one page to mail.
 *
 *	page      the frame, and what is in which order
 *	suspect   a paragraph each; card: an object with its path and neighbours
 *	chart     the pruned trees: data for the script, a picture for those without
 *	sheet     a report's table as an HTML table
 *	markup    escaping, the only way for text into the page
 *	page.css, page.js     made into C at build (embed.cmake)
 *
 * The page is one file that asks for nothing: a content security policy allows the one
 * style and the one script by their hashes and forbids all else.  All text and tables are
 * plain HTML, pictures inline SVG: it is useful without the script, which adds zooming,
 * sorting, filtering.  It stays below 3 MB: trees are cut to CHART_NODES blocks in all,
 * tables to their largest rows, many processes to PAGE_PROCESSES; what is left out is
 * summed up and said.
 *
 * It shows what the snapshot holds: no values where it was made without.
 */
#ifndef PYMEM_VIEWER_HTML_HTML_H
#define PYMEM_VIEWER_HTML_HTML_H

#include <stdio.h>

#include "viewer/workspace.h"

/* Writes the page to out.  0, -ENOMEM, -ECANCELED; errors of the stream are its own. */
int html_write(FILE *out, struct workspace *workspace, const struct progress *progress);

/* Made at build: style and script, NUL-terminated, and the page's security policy. */
extern const char html_style[], html_script[], html_policy[];

#endif
