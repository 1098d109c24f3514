/* SPDX-License-Identifier: MIT */
/*
 * fuzz_query - any text as SQL, as a condition of --fail-if and as a message to the
 * assistant's server, about one small snapshot.  They may fail, in words; they may not
 * write, hang or leave the snapshot's tables different.
 *
 * The first byte chooses which of the three the rest is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forge.h"
#include "viewer/mcp/server.h"
#include "viewer/query/gate.h"
#include "viewer/query/shell.h"

static struct workspace workspace;
static struct engine engine;
static struct tool_context session;
static FILE *nowhere;

/* What is said of each input.  Not by freopen where the stream can be changed: libFuzzer
 * tells by the old one how many inputs there were, the sanitizers by its number. */
static bool be_silent(void)
{
#ifdef __GLIBC__
	stderr = nowhere;
	return true;
#else
	return freopen("/dev/null", "w", stderr) != NULL;
#endif
}

static void prepare(void)
{
	const struct engine_options options = { .timeout_ns = 300000000 };
	char err[256];

	if (nowhere)
		return;
	nowhere = fopen("/dev/null", "w");
	workspace_init(&workspace);
	workspace.no_sidecar = true;
	tool_context_init(&session);
	session.workspace.no_sidecar = true;
	if (!nowhere || !be_silent() ||
	    workspace_open(&workspace, FUZZ_SNAPSHOT, false, NULL, err, sizeof(err)) ||
	    tool_context_add(&session, FUZZ_SNAPSHOT, false, err, sizeof(err)) ||
	    engine_open(&engine, &workspace, &options))
		abort();
}

static void run_sql(const char *text)
{
	sqlite3_stmt *statement = NULL;
	const char *tail;

	if (shell_run(&engine, text, &render_text, 100, nowhere) && !engine.problem[0])
		abort();
	shell_run(&engine, text, &render_json, 100, nowhere);
	if (sqlite3_total_changes(engine.db) ||
	    engine_prepare(&engine, "SELECT count(*) FROM object", &tail, &statement) ||
	    engine_step(&engine, statement) != SQLITE_ROW ||
	    sqlite3_column_int(statement, 0) != (int)workspace.process[0]->heap->objects)
		abort();
	sqlite3_finalize(statement);
}

static void run_message(const char *text, size_t size)
{
	char *answer = server_answer(&session, text, size);

	for (const char *at = answer; at && *at; at++)
		if (*at < ' ' || *at > '~')
			abort();
	free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	prepare();
	if (!text || size == 0) {
		free(text);
		return 0;
	}
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	const char *const condition = text;
	if (data[0] == 'Q')
		run_sql(text);
	else if (data[0] == 'G')
		gate_judge(&engine, &condition, 1, true, nowhere);
	else
		run_message(text, size - 1);
	free(text);
	return 0;
}
