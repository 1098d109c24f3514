/* SPDX-License-Identifier: MIT */
/*
 * graft - a table that lies in an SQLite file of its own becomes a table of another
 * file: its pages are appended, with the numbers that they have there.
 *
 * So two processes fill two tables at once, which SQLite can't do in one file.  Pages are
 * copied as they are; what names pages in them is renamed: the children of inner pages,
 * the chains of long rows.  (The format: sqlite.org/fileformat2.html, 1.3 to 1.6.)
 */
#ifndef PYMEM_VIEWER_QUERY_GRAFT_H
#define PYMEM_VIEWER_QUERY_GRAFT_H

#include <stdint.h>

#define GRAFT_LOCKED (1ull << 30) /* SQLite's pending byte */

struct graft {
	int to, from;	    /* descriptors, of files that no connection has open */
	uint32_t page_size; /* of both, 512 to 32768 */
	uint32_t root;	    /* page of `to`: the root of the empty table that is filled */
	uint64_t locked;    /* the byte whose page no file of SQLite's uses */
};

/*
 * `from` holds one table with rowids and no index, filled once: nothing is free in it.
 * 0, -EBADMSG: it isn't so; another negative errno.  After a failure neither file is of
 * any use.
 */
int graft_table(const struct graft *graft);

#endif
