/* SPDX-License-Identifier: MIT */
/* graft - pages and their new numbers (graft.h). */
#include "viewer/query/graft.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "viewer/query/dump_file.h"

/* Of the file's header, of a page's, and what a page begins with.  A page of a long
 * row's chain begins with the number of the next one, whose first byte is 0: files of
 * more pages are refused. */
enum {
	FILE_PAGE_SIZE = 16,
	FILE_PAGES = 28,
	FILE_FREE_PAGES = 36,
	FILE_HEADER = 100,
	PAGE_CELLS = 3,
	PAGE_LAST_CHILD = 8,
	LEAF_HEADER = 8,
	INNER_HEADER = 12,
	KIND_CHAIN = 0x00,
	KIND_INNER = 0x05,
	KIND_LEAF = 0x0d,
	FIRST_PAGE = 2, /* of the table: the first is the schema's */
	PAGES_MAX = 1 << 24
};

struct graft_run {
	const struct graft *graft;
	uint32_t kept;	 /* pages of `to` before */
	uint32_t count;	 /* pages of `from` */
	uint32_t locked; /* number of the page that is left out */
	uint8_t *page;
};

/* ---- bytes ---- */

static uint32_t graft_get_16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t graft_get_32(const uint8_t *at)
{
	return graft_get_16(at) << 16 | graft_get_16(at + 2);
}

static void graft_put_32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* At most nine bytes, of which the last has eight bits.  Bytes read; 0: there are too
 * few. */
static uint32_t graft_varint(const uint8_t *at, const uint8_t *end, uint64_t *ret)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < 9 && at + i < end; i++) {
		value = i == 8 ? value << 8 | at[i] : value << 7 | (at[i] & 0x7f);
		if (i == 8 || !(at[i] & 0x80)) {
			*ret = value;
			return i + 1;
		}
	}
	return 0;
}

static int graft_read(int fd, void *to, size_t size, uint64_t at)
{
	const ssize_t got = dump_file_get(fd, to, size, at);

	if (got < 0)
		return (int)got;
	return (size_t)got < size ? -EBADMSG : 0;
}

/* ---- numbers ---- */

/* A page's number in `to`; 0: it can't be one of the table's. */
static uint32_t graft_number(const struct graft_run *r, uint32_t page)
{
	if (page < FIRST_PAGE || page > r->count || page == r->locked)
		return 0;
	if (page == FIRST_PAGE)
		return r->graft->root;
	const uint32_t number = r->kept + page - FIRST_PAGE - (page > r->locked);

	return number + (r->kept < r->locked && number >= r->locked);
}

/* The number at an offset of the page becomes the new one. */
static int graft_rename(const struct graft_run *r, uint32_t at)
{
	if (at + 4 > r->graft->page_size)
		return -EBADMSG;
	const uint32_t number = graft_number(r, graft_get_32(r->page + at));

	if (!number)
		return -EBADMSG;
	graft_put_32(r->page + at, number);
	return 0;
}

/* How much of a row of a leaf lies in the page: all of it, or its begin. */
static uint64_t graft_local(const struct graft_run *r, uint64_t payload)
{
	const uint64_t usable = r->graft->page_size, most = usable - 35,
		       least = (usable - 12) * 32 / 255 - 23;

	if (payload <= most)
		return payload;
	const uint64_t local = least + (payload - least) % (usable - 4);

	return local <= most ? local : least;
}

/* A row that is too long for its page ends with the number of the next one. */
static int graft_row(const struct graft_run *r, uint32_t cell)
{
	const uint8_t *const end = r->page + r->graft->page_size;
	uint64_t payload = 0, id;
	const uint32_t n = cell < r->graft->page_size ?
		graft_varint(r->page + cell, end, &payload) :
		0;
	const uint32_t m = n ? graft_varint(r->page + cell + n, end, &id) : 0;

	if (!m)
		return -EBADMSG;
	const uint64_t local = graft_local(r, payload);

	return local == payload ? 0 : graft_rename(r, cell + n + m + (uint32_t)local);
}

static int graft_cells(const struct graft_run *r, uint32_t header, bool leaf)
{
	const uint32_t count = graft_get_16(r->page + PAGE_CELLS);
	int err = 0;

	if (header + 2 * count > r->graft->page_size)
		return -EBADMSG;
	for (uint32_t i = 0; i < count && !err; i++) {
		const uint32_t cell = graft_get_16(r->page + header + 2 * i);

		err = leaf ? graft_row(r, cell) : graft_rename(r, cell);
	}
	return err;
}

static int graft_page(const struct graft_run *r)
{
	int err;

	switch (r->page[0]) {
	case KIND_LEAF:
		return graft_cells(r, LEAF_HEADER, true);
	case KIND_INNER:
		err = graft_rename(r, PAGE_LAST_CHILD);
		return err ? err : graft_cells(r, INNER_HEADER, false);
	case KIND_CHAIN:
		return graft_get_32(r->page) ? graft_rename(r, 0) : 0;
	default:
		return -EBADMSG;
	}
}

/* ---- the table ---- */

/* Pages of a file; none of them is free.  */
static int graft_pages(const struct graft *g, int fd, uint32_t *ret)
{
	uint8_t header[FILE_HEADER];
	const int err = graft_read(fd, header, sizeof(header), 0);

	if (err)
		return err;
	*ret = graft_get_32(header + FILE_PAGES);
	return *ret < FIRST_PAGE || *ret >= PAGES_MAX ||
			graft_get_32(header + FILE_FREE_PAGES) ||
			graft_get_16(header + FILE_PAGE_SIZE) != g->page_size ?
		-EBADMSG :
		0;
}

static int graft_copy(const struct graft_run *r)
{
	const struct graft *const g = r->graft;
	int err = 0;

	for (uint32_t page = FIRST_PAGE; page <= r->count && !err; page++) {
		if (page == r->locked)
			continue;
		err = graft_read(g->from, r->page, g->page_size,
				 (uint64_t)(page - 1) * g->page_size);
		if (!err && page == FIRST_PAGE && r->page[0] == KIND_CHAIN)
			err = -EBADMSG;
		if (!err)
			err = graft_page(r);
		if (!err)
			err = dump_file_put(g->to, r->page, g->page_size,
					    (uint64_t)(graft_number(r, page) - 1) *
						    g->page_size);
	}
	return err;
}

int graft_table(const struct graft *g)
{
	struct graft_run r = { .graft = g,
			       .locked = (uint32_t)(g->locked / g->page_size) + 1 };
	uint8_t pages[4];
	int err = graft_pages(g, g->to, &r.kept);

	assert(g->page_size >= 512 && g->root > 1);
	if (!err)
		err = graft_pages(g, g->from, &r.count);
	if (!err && g->root > r.kept)
		err = -EBADMSG;
	r.page = err ? NULL : malloc(g->page_size);
	if (!err && !r.page)
		err = -ENOMEM;
	if (!err)
		err = graft_copy(&r);
	free(r.page);
	if (!err && r.count > FIRST_PAGE) {
		graft_put_32(pages, graft_number(&r, r.count));
		err = dump_file_put(g->to, pages, sizeof(pages), FILE_PAGES);
	}
	return err;
}
