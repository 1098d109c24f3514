/* SPDX-License-Identifier: MIT */
/*
 * relation - the model's tables as SQLite sees them: virtual tables without a copy.
 *
 * A relation is a const ops table in a file of its own; relations.h lists them.  Its
 * rows are, snapshot after snapshot, ids (of nodes, types, threads, ...) and, where it
 * says so, several slots of each (the references of a node).  The machinery here is the
 * same for all of them:
 *
 *	planning   xBestIndex: which of the relation's keys the query gives, whether the
 *	           order it wants is one of the relation's, whether there is a LIMIT that
 *	           lets the rest be left out.  A column `snapshot` is a key of each.
 *	arguments  hidden columns are keys that must be given: table-valued functions,
 *	           path(ADDRESS).  NULL finds nothing.
 *	cursors    select() makes a list of ids for one snapshot, or says how many there
 *	           are; column() gives a value.
 *
 * Rows of SQLite are read-only; every text is escaped (viewer/text/text.h).
 */
#ifndef PYMEM_VIEWER_QUERY_RELATION_H
#define PYMEM_VIEWER_QUERY_RELATION_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "viewer/query/indexed.h"

/* What the tables are about: the snapshots, oldest first, and when to stop. */
struct catalog {
	struct workspace *workspace; /* for reports */
	struct indexed *snapshot;
	uint32_t count;
	struct progress progress; /* -ECANCELED from it: the query is stopped */
};

enum {
	RELATION_KEYS = 10,
	RELATION_KEY_BITS = 50 /* of what tells a row from others of its snapshot */
};

enum relation_compare {
	RELATION_EQ, /* of a column of numbers, and of an argument */
	RELATION_EQ_TEXT,
	RELATION_AT_LEAST, /* of numbers, and so is the next; one key of each */
	RELATION_AT_MOST
};

/* A column that rows can be found by. */
struct relation_key {
	int column;
	enum relation_compare compare;
	bool argument; /* of a table-valued function */
	bool required; /* the argument may not be left out */
	double share;  /* of the rows that are left, estimated; 0: one or so */
};

/* An order that select() can give. */
struct relation_order {
	int column;
	bool descending_only;
};

struct relation_argument {
	bool given, is_null;
	bool strict; /* of a bound: it is itself excluded */
	bool is_number, is_real, is_text;
	int64_t number;	  /* a real that is whole is one, too */
	double real;	  /* where it is no such number */
	const char *text; /* valid while the cursor is not moved to another query */
};

struct relation_cursor {
	sqlite3_vtab_cursor base;
	const struct relation *relation;
	struct catalog *catalog;
	struct relation_argument argument[RELATION_KEYS]; /* by index of the key */
	char *texts[RELATION_KEYS];			  /* owned copies */
	int order;					  /* index in orders, -1: none */
	bool descending;
	bool functional; /* the relation has arguments */
	uint64_t limit;	 /* rows that suffice, 0: all */
	uint32_t snapshot, snapshot_end;
	/* the snapshot's rows, made by select */
	struct vec ids; /* u32; unused when `listed` is false: ids are 0 .. count - 1 */
	bool listed;
	uint32_t first, count, at;
	uint32_t part, parts; /* for refill */
	uint32_t slot, slots;
	struct table table; /* of a report */
	struct text scratch;
	const char *message; /* static text: why select failed, or NULL */
};

struct relation {
	const char *name;
	const char *title;   /* for the list of tables, one line */
	const char *columns; /* as in CREATE TABLE; column 0 is snapshot */
	const struct relation_key *keys;
	int nkeys;
	const struct relation_order *orders;
	int norders;
	double rows; /* in a snapshot, estimated; 0: as many as there are objects */
	const struct report *report; /* relation_report's */
	/* Fills ids, or count, of cursor->snapshot.  0, -ENOMEM, -ECANCELED, -EINVAL
	 * with cursor->message. */
	int (*select)(struct relation_cursor *cursor);
	/* Where rows come in parts: replaces the ids by the next part's, until
	 * cursor->part is cursor->parts; NULL: select had them all.  Fails as select. */
	int (*refill)(struct relation_cursor *cursor);
	/* Slots of the row, and the first one that is a row, from `slot` on; NULL: each
	 * id is one row.  Sets cursor->slot, or cursor->slots = 0 at the end. */
	void (*settle)(struct relation_cursor *cursor);
	void (*column)(struct relation_cursor *cursor, sqlite3_context *context,
		       int column);
	/* What tells the row from all others of its snapshot, whatever the plan; of
	 * RELATION_KEY_BITS.  NULL: its id. */
	uint64_t (*key)(const struct relation_cursor *cursor);
};

/* Makes a relation a table of a connection; owned: the relation, when the connection is
 * to free it (relation_report_create), else NULL.  catalog must outlive the connection.
 * An SQLite result code. */
int relation_register(sqlite3 *db, struct catalog *catalog,
		      const struct relation *relation, struct relation *owned);
/* The relation that a report is (relation_report.c): report_NAME; NULL: no memory.
 * free() it. */
struct relation *relation_report_create(const struct report *report);

static inline struct indexed *relation_indexed(const struct relation_cursor *c)
{
	return &c->catalog->snapshot[c->snapshot];
}
static inline uint32_t relation_id(const struct relation_cursor *c)
{
	const uint32_t *list = (const uint32_t *)c->ids.data;

	return c->listed ? list[c->first + c->at] : c->first + c->at;
}
/* For key: the position among the snapshot's rows, of relations whose plan is always
 * the same. */
uint64_t relation_position(const struct relation_cursor *cursor);
/* The value of a column of numbers (relation_put_count), less than, equal to or greater
 * than an argument, not NULL, as SQLite compares: text that is no number and bytes are
 * greater than any number. */
int relation_compare(uint64_t value, const struct relation_argument *argument);
/* The object that an argument names, by address; HEAP_NONE: there is none. */
uint32_t relation_node(const struct relation_cursor *cursor,
		       const struct relation_argument *argument);

/* Values of columns: the escaped text in scratch (NULL when empty); a number; the address
 * of a node (NULL: it is none or synthetic); a string of the heap, escaped. */
void relation_put_text(struct relation_cursor *cursor, sqlite3_context *context);
void relation_put_count(sqlite3_context *context, uint64_t value);
void relation_put_node(const struct relation_cursor *cursor, sqlite3_context *context,
		       uint32_t node);
void relation_put_string(struct relation_cursor *cursor, sqlite3_context *context,
			 uint32_t string);

#endif
