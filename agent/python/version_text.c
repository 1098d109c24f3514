/* SPDX-License-Identifier: MIT */
/* version_text - see version_text.h. */
#include "agent/python/version_text.h"

#include <link.h>
#include <stdint.h>

enum {
	VERSION_TEXT_DATA = 16 << 20, /* bytes of a segment that are looked through */
	VERSION_TEXT_HEAD = 80,	      /* bytes before what the build says of itself */
};

/* It looks through others' variables, and what a sanitizer puts between them. */
#define VERSION_TEXT_UNCHECKED __attribute__((no_sanitize("address")))

struct version_text_search {
	uintptr_t inside;
	char *ret;
	size_t size;
	bool found;
};

static bool version_text_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "3.11.2 (", "3.13.0rc2+ (" or "3.14.0 free-threading build (": does it begin so? */
static bool version_text_begins(const char *p, const char *end) VERSION_TEXT_UNCHECKED;
static bool version_text_begins(const char *p, const char *end)
{
	const char *s = p + 2;

	if (end - p < VERSION_TEXT_HEAD + 2 || p[0] != '3' || p[1] != '.' ||
	    !version_text_is_digit(*s))
		return false;
	while (version_text_is_digit(*s) && s - p < VERSION_TEXT_HEAD)
		s++;
	if (*s++ != '.' || !version_text_is_digit(*s))
		return false;
	while (*s > ' ' && *s != '(' && s - p < VERSION_TEXT_HEAD)
		s++;
	if (*s != ' ')
		return false;
	while (((*s >= 'a' && *s <= 'z') || *s == '-' || *s == ' ') &&
	       s - p < VERSION_TEXT_HEAD)
		s++;
	return *s == '(';
}

static void version_text_look(struct version_text_search *search, const char *start,
			      const char *end) VERSION_TEXT_UNCHECKED;
static void version_text_look(struct version_text_search *search, const char *start,
			      const char *end)
{
	const char *p = start;
	size_t length = 0;

	while (p < end &&
	       (*p != '3' || (p > start && p[-1]) || !version_text_begins(p, end)))
		p++;
	if (p >= end)
		return;
	while (p + length < end && length < search->size - 1 && p[length]) {
		search->ret[length] = p[length];
		length++;
	}
	search->ret[length] = '\0';
	search->found = true;
}

static bool version_text_has(const struct dl_phdr_info *info, uintptr_t address)
{
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *const h = &info->dlpi_phdr[i];

		if (h->p_type == PT_LOAD &&
		    address - (info->dlpi_addr + h->p_vaddr) < h->p_memsz)
			return true;
	}
	return false;
}

static int version_text_visit(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct version_text_search *const search = arg;

	(void)size;
	if (!version_text_has(info, search->inside))
		return 0;
	for (unsigned i = 0; i < info->dlpi_phnum && !search->found; i++) {
		const ElfW(Phdr) *const h = &info->dlpi_phdr[i];
		const uintptr_t start = info->dlpi_addr + h->p_vaddr;
		const size_t length =
			h->p_memsz < VERSION_TEXT_DATA ? h->p_memsz : VERSION_TEXT_DATA;

		if (h->p_type == PT_LOAD && h->p_flags & PF_W)
			version_text_look(search, (const char *)start,
					  (const char *)start + length);
	}
	return 1;
}

bool version_text_find(const void *inside, char *ret, size_t size)
{
	struct version_text_search search = { .inside = (uintptr_t)inside,
					      .ret = ret,
					      .size = size };

	dl_iterate_phdr(version_text_visit, &search);
	return search.found;
}
