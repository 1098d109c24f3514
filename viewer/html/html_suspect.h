/* SPDX-License-Identifier: MIT */
/* html_suspect - the suspects of a process, a paragraph each (analysis/suspects.h). */
#ifndef PYMEM_VIEWER_HTML_HTML_SUSPECT_H
#define PYMEM_VIEWER_HTML_HTML_SUSPECT_H

#include "viewer/analysis/suspects.h"
#include "viewer/html/card.h"

/* Appends them and gives the objects they are about cards.  0 or -ENOMEM. */
int html_suspect_add(struct text *out, const struct analysis *analysis,
		     const struct vec *suspects, struct card_set *cards);

#endif
