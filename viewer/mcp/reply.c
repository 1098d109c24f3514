/* SPDX-License-Identifier: MIT */
/* reply - see reply.h. */
#include "viewer/mcp/reply.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "viewer/query/answer.h"
#include "viewer/render/cell.h"
#include "viewer/text/human.h"

enum {
	REPLY_CELL_MAX = 300, /* characters of one cell */
	REPLY_SKIP = 1000     /* rows at a time that are passed by */
};

static void reply_put_row(const struct table *table, size_t row, struct text *line)
{
	char buf[CELL_TEXT_SIZE];
	bool first = true;

	for (size_t c = 0; c < table->ncolumns; c++) {
		const struct cell *cell = table_cell(table, row, c);

		if (cell->unknown)
			continue;
		const char *text = cell_human(table, row, c, buf);
		size_t size = strlen(text);
		text_printf(line, "%s%s ", first ? "- " : "; ", table->columns[c].title);
		if (size > REPLY_CELL_MAX) {
			size = REPLY_CELL_MAX;
			while (size && ((unsigned char)text[size] & 0xc0) == 0x80)
				size--;
		}
		text_add_bytes(line, text, size);
		text_add(line, text[size] ? "..." : "");
		first = false;
	}
	text_add(line, first ? "- NULL (values are told with --values only)\n" : "\n");
}

/* A first row that there is no room for: as much of it as there is. */
static void reply_put_piece(const struct reply *r, const struct text *line)
{
	const char *text = text_get(line);
	size_t size = r->end > text_len(r->out) ? r->end - text_len(r->out) : 0;

	while (size && ((unsigned char)text[size] & 0xc0) == 0x80)
		size--;
	text_add_bytes(r->out, text, size);
	text_add(r->out,
		 "...\nthe row is cut: ask for fewer columns, or a larger "
		 "max_bytes\n");
}

static void reply_put_more(const struct reply *r, const struct reply_part *part,
			   uint64_t offset, bool bytes)
{
	text_printf(r->out, "more: %s offset=%" PRIu64 "%s\n", part->again, offset,
		    bytes ? ", or a larger max_bytes" : "");
}

/* False: there was room for some of them only, which is said. */
static bool reply_put_table(struct reply *r, const struct reply_part *part,
			    const struct table *table)
{
	const size_t now = text_len(r->out);
	const size_t share = now + (r->end > now ? (r->end - now) / r->parts : 0);
	struct text line = { 0 };
	bool whole = true;

	for (size_t row = 0; row < table->rows && whole; row++) {
		text_clear(&line);
		reply_put_row(table, row, &line);
		const size_t full = text_len(r->out) + text_len(&line);
		if (full <= (row ? share : r->end)) {
			text_add(r->out, text_get(&line));
		} else if (!row && (!r->begun || r->parts == 1)) {
			reply_put_piece(r, &line); /* or asking again would never end */
		} else {
			reply_put_more(r, part, part->offset + row, true);
			whole = false;
		}
		r->begun = true;
	}
	text_free(&line);
	return whole;
}

static bool reply_skip(struct answer *answer, uint64_t offset)
{
	bool good = true;

	while (good && answer->more && answer->rows < offset) {
		const uint64_t left = offset - answer->rows;
		struct table table;

		good = !answer_next(answer, left < REPLY_SKIP ? left : REPLY_SKIP,
				    &table);
		table_free(&table);
	}
	return good;
}

static bool reply_put_rows(struct reply *r, struct answer *answer,
			   const struct reply_part *part)
{
	struct table table = { 0 };
	bool good = reply_skip(answer, part->offset);

	if (good && answer->more) {
		good = !answer_next(answer, part->limit, &table);
		text_printf(r->out, "%s:\n", part->title);
		if (reply_put_table(r, part, &table) && good && answer->more)
			reply_put_more(r, part, part->offset + part->limit, false);
	} else if (good && answer->rows) {
		text_printf(r->out, "%s: no more rows, there are %" PRIu64 "\n",
			    part->title, answer->rows);
	} else if (good) {
		text_printf(r->out, "%s: none\n", part->title);
	}
	table_free(&table);
	return good;
}

bool reply_put(struct reply *r, struct engine *engine, const struct reply_part *part,
	       const char *sql, uint64_t *total_ret)
{
	struct answer answer;
	const char *tail;

	assert(r->parts && part->limit);
	const int found = answer_open(&answer, engine, sql, &tail);
	bool good = found >= 0;
	if (found > 0)
		good = reply_put_rows(r, &answer, part);
	else if (good)
		text_add(r->out, "there is no statement in the query\n");
	if (!good)
		text_printf(r->out, "%s%s", engine->problem,
			    engine->timed_out ?
				    ": ask for objects of one type, by address or "
				    "dominator" :
				    "");
	else if (engine_has_more(engine, tail))
		text_add(r->out,
			 "one statement at a time: what follows the first was not run\n");
	*total_ret = answer.rows;
	r->parts--;
	answer_close(&answer);
	return good;
}
