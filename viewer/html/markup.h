/* SPDX-License-Identifier: MIT */
/*
 * markup - text into HTML, attributes and JSON inside a page.
 *
 * & < > " ' become character references in HTML; in JSON they and the line separators
 * become \u escapes, so that no text ends the element it is in.  Text comes in escaped
 * for people already (escape.h): no controls, valid UTF-8.
 */
#ifndef PYMEM_VIEWER_HTML_MARKUP_H
#define PYMEM_VIEWER_HTML_MARKUP_H

#include "viewer/text/text.h"

/* Appends text for use between tags and in quoted attributes. */
void markup_add(struct text *out, const char *text);
/* Appends a JSON string with its quotes. */
void markup_json(struct text *out, const char *text);
/* Appends <tag>text</tag>; tag may hold a class: "p class=x". */
void markup_element(struct text *out, const char *tag, const char *text);

#endif
