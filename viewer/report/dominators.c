/* SPDX-License-Identifier: MIT */
/*
 * dominators - what keeps most alive: the nodes with the largest retained
 * sizes, or, with --object, those one object dominates; synthetic holders
 * (threads, frames) included, the root groups not.
 *
 * A linked list (chain.h) is one row, unless all rows are asked for, or those with some
 * text: the largest rows that there are show where lists begin; these are followed, and
 * the largest of all other nodes looked for again, until no row is a link of another.
 */
#include <errno.h>
#include <string.h>

#include "viewer/name/chain.h"
#include "viewer/report/common.h"

static const struct column columns[] = {
	{ "address", "Address", CELL_ADDRESS, false },
	{ "type", "Type", CELL_TEXT, false },
	{ "size", "Size", CELL_BYTES, false },
	{ "native", "Native", CELL_BYTES, false },
	{ "retained", "Retained", CELL_BYTES, false },
	{ "share", "Share", CELL_RATIO, false },
	{ "count", "Objects", CELL_COUNT, false },
	{ "depth", "Depth", CELL_COUNT, false },
	{ "chain", "Chain of", CELL_COUNT, false },
	{ "path", "Path", CELL_TEXT, false },
};

enum { REPORT_DOMINATORS_ROUNDS = 100 /* after that many links are rows */ };

static bool report_dominators_is_link(const struct vec *links, uint32_t node)
{
	return links->size && VEC(*links, unsigned char)[node / 8] >> node % 8 & 1;
}

static int report_dominators_add_row(const struct report_context *c, uint32_t node,
				     struct text *scratch, struct table *table)
{
	struct chain chain;
	struct row row;
	int err = chain_find(c->analysis, node, c->progress, &chain);

	if (err)
		return err;

	row_begin(&row, table, node, heap_type_of(c->heap, node));
	row_address(&row, c->heap, node);
	row_node(&row, scratch, c->heap, node);
	row_u64(&row, heap_size(c->heap, node));
	row_u64(&row, heap_native(c->heap, node));
	row_u64(&row, analysis_retained(c->analysis, node));
	row_ratio(&row,
		  ratio_of(analysis_retained(c->analysis, node),
			   analysis_total(c->analysis)));
	row_u64(&row, analysis_retained_count(c->analysis, node));
	row_u64(&row, analysis_depth(c->analysis, node));
	if (chain.links)
		row_u64(&row, chain.links);
	else
		row_unknown(&row);
	row_path(&row, scratch, c->analysis, node);
	return row_end(&row);
}

static int report_dominators_offer_all(const struct report_context *c,
				       const struct vec *links, struct top *top)
{
	const struct heap *heap = c->heap;
	int err = 0;

	for (uint32_t n = 0; n < heap->nodes && !err; n++) {
		if (n >= heap->objects &&
		    heap_synth(heap, n)->kind < HEAP_SYNTH_GROUP_COUNT)
			continue;
		if (!report_dominators_is_link(links, n))
			err = top_offer(top, analysis_retained(c->analysis, n), n);
		if (!err && n % PROGRESS_EVERY == 0)
			err = progress_step(c->progress, "dominators", n, heap->nodes);
	}
	return err;
}

/* Marks the links of the chain that a node begins, but itself. */
static int report_dominators_mark(const struct report_context *c, uint32_t node,
				  struct vec *links)
{
	struct vec nodes = { 0 };
	struct chain chain;
	int err = chain_find(c->analysis, node, c->progress, &chain);

	if (!err && chain.links)
		err = chain_nodes(c->analysis, node, &chain, c->progress, &nodes);
	for (size_t i = 1; i < VEC_COUNT(nodes, uint32_t) && !err; i++) {
		const uint32_t link = VEC(nodes, uint32_t)[i];

		((unsigned char *)links->data)[link / 8] |=
			(unsigned char)(1 << link % 8);
	}
	vec_free(&nodes);
	return err;
}

/* Whether some of the top are links of others, which are marked. */
static int report_dominators_links(const struct report_context *c, const struct top *top,
				   struct vec *links, bool *ret)
{
	int err = 0;

	*ret = false;
	for (size_t i = 0; i < VEC_COUNT(top->heap, struct top_entry) && !err; i++) {
		const uint32_t node = VEC(top->heap, struct top_entry)[i].id;

		if (report_dominators_is_link(links, node))
			*ret = true;
		else
			err = report_dominators_mark(c, node, links);
	}
	return err;
}

/* The largest of all, of each chain its first link. */
static int report_dominators_offer_folded(const struct report_context *c, struct top *top)
{
	const size_t limit = top->limit;
	struct vec links = { 0 };
	bool again = true;
	int err = vec_alloc(&links, c->heap->nodes / 8 + (size_t)1);

	for (unsigned i = 0; i < REPORT_DOMINATORS_ROUNDS && again && !err; i++) {
		top_free(top);
		*top = (struct top){ .limit = limit };
		err = report_dominators_offer_all(c, &links, top);
		top_sort(top);
		if (!err)
			err = report_dominators_links(c, top, &links, &again);
	}
	vec_free(&links);
	return err;
}

static int report_dominators_offer_children(const struct report_context *c, uint32_t node,
					    struct top *top)
{
	struct heap_span children;
	int err = analysis_children(c->analysis, node, c->progress, &children);

	for (uint32_t i = 0; i < children.count && !err; i++)
		err = top_offer(top, analysis_retained(c->analysis, children.target[i]),
				children.target[i]);
	return err;
}

static int report_dominators_run(const struct report_context *context,
				 const struct report_params *params, struct table *table)
{
	struct top top = { .limit = params->filter ? 0 : params->limit };
	struct text scratch = { 0 };
	uint32_t node = HEAP_NONE;
	int err;

	if (params->object &&
	    (node = params_node(context->heap, params, table)) == HEAP_NONE)
		return 0;
	const struct vec none = { 0 };
	if (node != HEAP_NONE)
		err = report_dominators_offer_children(context, node, &top);
	else if (params->all || params->filter || !params->limit)
		err = report_dominators_offer_all(context, &none, &top);
	else
		err = report_dominators_offer_folded(context, &top);
	top_sort(&top);
	for (size_t i = 0; i < VEC_COUNT(top.heap, struct top_entry) && !err; i++)
		err = report_dominators_add_row(
			context, VEC(top.heap, struct top_entry)[i].id, &scratch, table);
	table->total = top.offered;
	top_free(&top);
	text_free(&scratch);
	return err;
}

const struct report report_dominators = {
	.name = "dominators",
	.title = "Dominators",
	.needs = NEEDS_ANALYSIS,
	.limit = 40,
	.limit_data = 1000,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_dominators_run,
};
