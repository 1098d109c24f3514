/* SPDX-License-Identifier: MIT */
/*
 * jsonl - a snapshot as JSON, one line per thing; SNAPSHOT.md lists the lines.
 *
 * Three passes over the input: pass 1 gathers per process the facts, whether it is
 * complete, and the addresses of dict keys; pass 2 the keys' types and previews; pass 3
 * writes (jsonl_lines.c).  Memory is bounded by the definitions (strings, types, shapes),
 * the different key objects (about 60 bytes each and their previews) and the largest
 * object's references; not by the number of objects.
 */
#include "formats/export/jsonl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/export/exporter.h"
#include "formats/export/passes.h"

/* ---- pass 1: facts, keys ---- */

static struct fact *jsonl_fact_slot(struct process *p, const char *key)
{
	struct fact *facts;

	for (size_t i = 0; i < p->nfacts; i++)
		if (strcmp(p->facts[i].key, key) == 0)
			return &p->facts[i];
	facts = reallocarray(p->facts, p->nfacts + 1, sizeof(*facts));
	if (!facts)
		return NULL;
	p->facts = facts;
	facts[p->nfacts] = (struct fact){ .key = strdup(key) };
	return facts[p->nfacts].key ? &facts[p->nfacts++] : NULL;
}

static int jsonl_gather_fact(struct snap_sink *sink, const struct snap_fact *fact)
{
	struct fact *const slot = jsonl_fact_slot(jsonl_of(sink)->current, fact->key);

	assert(jsonl_of(sink)->current);
	if (!slot)
		return -ENOMEM;
	free(slot->text);
	slot->text = NULL;
	slot->u64 = fact->u64;
	if (fact->kind != SNAP_FACT_TEXT)
		return 0;
	slot->size = fact->size;
	slot->text = malloc(fact->size + 1);
	if (!slot->text)
		return -ENOMEM;
	memcpy(slot->text, fact->text, fact->size);
	return 0;
}

static int jsonl_gather_keys(struct snap_sink *sink, const struct snap_object *o)
{
	struct jsonl *const e = jsonl_of(sink);

	for (uint32_t i = 0; i < o->nrefs; i++)
		if (o->refs[i] &&
		    tables_label(&e->tables, o->shape, i).kind == SNAP_LABEL_KEY &&
		    !keys_add(&e->current->keys, o->refs[i]))
			return -ENOMEM;
	return 0;
}

static const struct snap_sink_ops gather_ops = {
	.fact = jsonl_gather_fact,
	.shape = jsonl_take_shape,
	.object = jsonl_gather_keys,
};

/* ---- pass 2: what the keys look like ---- */

static int jsonl_describe_object(struct snap_sink *sink, const struct snap_object *o)
{
	struct key *const key = keys_find(&jsonl_of(sink)->current->keys, o->addr);

	if (key)
		key->type = o->type;
	return 0;
}

static int jsonl_describe_value(struct snap_sink *sink, const struct snap_value *v)
{
	struct keys *const keys = &jsonl_of(sink)->current->keys;
	struct key *const key = keys_find(keys, v->addr);

	return key && !keys_describe(keys, key, v) ? -ENOMEM : 0;
}

static const struct snap_sink_ops describe_ops = {
	.object = jsonl_describe_object,
	.value = jsonl_describe_value,
};

/* ---- passes ---- */

static bool jsonl_add_process(struct jsonl *e)
{
	struct process *const processes =
		reallocarray(e->processes, (size_t)e->nprocesses + 1, sizeof(*processes));

	if (!processes)
		return false;
	e->processes = processes;
	processes[e->nprocesses++] = (struct process){ 0 };
	return true;
}

static struct snap_sink *jsonl_begin(void *arg, uint32_t ordinal)
{
	struct jsonl *const e = arg;

	if (ordinal >= e->nprocesses && !jsonl_add_process(e))
		return NULL;
	e->current = &e->processes[ordinal];
	e->sink.ops = e->ops;
	tables_deinit(&e->tables);
	if (e->ops == &jsonl_write_ops && jsonl_process(e, ordinal) != 0)
		return NULL;
	return &e->sink;
}

static int jsonl_finish(void *arg, uint32_t ordinal, int complete,
			const struct snap_problem *problem)
{
	struct jsonl *const e = arg;

	assert(e->current);
	(void)ordinal;
	jsonl_finish_object(e);
	e->current->complete = complete;
	if (problem)
		e->current->problem = *problem;
	return 0;
}

static const struct snap_parser_ops parser_ops = { .begin = jsonl_begin,
						   .finish = jsonl_finish };

static int jsonl_run_passes(struct jsonl *e, int fd, struct snap_problem *problem)
{
	static const struct snap_sink_ops *const passes[] = {
		&gather_ops,
		&describe_ops,
		&jsonl_write_ops,
	};

	for (size_t i = 0; i < sizeof(passes) / sizeof(*passes); i++) {
		e->ops = passes[i];
		if (passes_read(fd, &parser_ops, e, problem) != 0)
			return -1;
	}
	return 0;
}

static void jsonl_deinit(struct jsonl *e)
{
	for (uint32_t i = 0; i < e->nprocesses; i++) {
		struct process *const p = &e->processes[i];

		for (size_t k = 0; k < p->nfacts; k++) {
			free(p->facts[k].key);
			free(p->facts[k].text);
		}
		free(p->facts);
		keys_deinit(&p->keys);
	}
	free(e->processes);
	tables_deinit(&e->tables);
}

/* How many processes are incomplete; *problem gets what is wrong with the last one. */
static uint32_t jsonl_incomplete(const struct jsonl *e, struct snap_problem *problem)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < e->nprocesses; i++) {
		const struct process *const p = &e->processes[i];

		if (p->complete && p->problem.code == SNAP_OK)
			continue;
		n++;
		*problem = p->problem;
	}
	return n;
}

static int jsonl_export(const char *path, FILE *out, uint32_t *incomplete_ret,
			struct snap_problem *problem)
{
	struct jsonl e = { .json.file = out };
	const int fd = passes_open(path, problem);
	int result;

	*incomplete_ret = 0;
	if (fd < 0)
		return -1;
	result = jsonl_run_passes(&e, fd, problem);
	json_flush(&e.json);
	if (result == 0 || problem->code == SNAP_E_SINK)
		result = passes_blame(out, problem) != 0 ? -1 : result;
	if (result == 0)
		*incomplete_ret = jsonl_incomplete(&e, problem);
	close(fd);
	jsonl_deinit(&e);
	return result;
}

const struct exporter exporter_jsonl = {
	.name = "jsonl",
	.title = "everything, one JSON line per object",
	.run = jsonl_export,
};
