/* SPDX-License-Identifier: MIT */
/* version_text - see version_text.h. */
#include "agent/python/version_text.h"

#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/peek.h"
#include "formats/core/python_version.h"

enum {
	VERSION_TEXT_DATA = 16 << 20, /* bytes of a segment that are looked through */
	VERSION_TEXT_MOST = 512,      /* ... and of the text; 300 are CPython's */
	VERSION_TEXT_STEP = 4096,
};

struct version_text_search {
	uintptr_t inside;
	char *ret;
	size_t size;
	bool found;
};

/* In size bytes; those from `most` on may be cut. */
static bool version_text_in(struct version_text_search *search, const char *data,
			    size_t size, size_t most, bool first)
{
	const char *p = data, *const end = data + size;

	while ((p = memchr(p, '3', (size_t)(end - p)))) {
		const size_t at = (size_t)(p - data);

		if (at >= most)
			break;
		if ((at ? !p[-1] : first) && python_version_length(p, end)) {
			const size_t length = strnlen(p, size - at);

			search->found = true;
			snprintf(search->ret, search->size, "%.*s", (int)length, p);
			return true;
		}
		p++;
	}
	return false;
}

/* Pages may be missing there, protected by whoever has variables in them. */
static void version_text_look(struct version_text_search *search, uintptr_t start,
			      uintptr_t end)
{
	char data[VERSION_TEXT_STEP + VERSION_TEXT_MOST];

	for (uintptr_t at = start; at < end; at += VERSION_TEXT_STEP) {
		const size_t left = end - at,
			     size = left < sizeof(data) ? left : sizeof(data);

		if (peek_safe(at, data, size) &&
		    version_text_in(search, data, size,
				    left <= sizeof(data) ? size : VERSION_TEXT_STEP,
				    at == start))
			return;
	}
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
			version_text_look(search, start, start + length);
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
