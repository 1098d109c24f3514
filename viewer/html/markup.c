/* SPDX-License-Identifier: MIT */
/* markup - text into a page (markup.h). */
#include "viewer/html/markup.h"

#include <string.h>

void markup_add(struct text *out, const char *text)
{
	static const char special[] = "&<>\"'";
	static const char *const names[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };

	while (*text) {
		size_t plain = strcspn(text, special);

		text_add_bytes(out, text, plain);
		text += plain;
		if (*text)
			text_add(out, names[strchr(special, *text++) - special]);
	}
}

void markup_json(struct text *out, const char *text)
{
	text_add(out, "\"");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || strchr("\"\\<>&'", c))
			text_printf(out, "\\u%04x", c);
		else
			text_add_bytes(out, text, 1);
	}
	text_add(out, "\"");
}

void markup_element(struct text *out, const char *tag, const char *text)
{
	text_printf(out, "<%s>", tag);
	markup_add(out, text);
	text_printf(out, "</%.*s>", (int)strcspn(tag, " "), tag);
}
