/* SPDX-License-Identifier: MIT */
/*
 * inject_driver - drives loader/inject alone, for the tests:
 *
 *	inject_driver [-x] [-k] [-a] [-v] [-n COUNT] [-wlo] [-s MS] AGENT PID
 *
 * -x the external method, -k keep the agent, -a any process (not only CPython), -v
 * log to stderr, -n repeat, -w the agent waits for a cancel (mini_agent), -l its
 * thread is slow to end, -o it takes the locks of `torture locks`, -r take out a kept
 * agent, -c cut the connection after HELLO, -s safe point time.  Prints one JSON line
 * per round; exit 0 if every round was captured.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/inject/inject.h"

struct outcome {
	bool hello, done;
	size_t bytes;
	char text[256];
};

static void print_line(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "%s\n", line);
}

static void *read_file(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	if (!f || fseek(f, 0, SEEK_END))
		return NULL;
	long n = ftell(f);
	rewind(f);
	void *data = n > 0 ? malloc((size_t)n) : NULL;
	*size = data ? fread(data, 1, (size_t)n, f) : 0;
	fclose(f);
	return data;
}

static void on_message(struct injection *in, const char *buf, struct outcome *o,
		       bool wait)
{
	struct pymem_msg m;
	memcpy(&m, buf, sizeof(m));
	if (m.nonce != in->nonce)
		return;
	if (m.type == PYMEM_MSG_HELLO) {
		o->hello = true;
		in->worker_tid = (uint32_t)m.b;
		struct pymem_msg cancel = { .type = PYMEM_MSG_CANCEL,
					    .nonce = in->nonce };
		if (wait && write(in->command_fd, &cancel, sizeof(cancel)) < 0)
			perror("cancel");
	}
	if (m.type == PYMEM_MSG_DONE || m.type == PYMEM_MSG_FAILED) {
		o->done = true;
		snprintf(o->text, sizeof(o->text), "%.*s", (int)m.text_size,
			 buf + sizeof(m));
	}
}

static void receive(struct injection *in, struct outcome *o, bool wait)
{
	static char buf[1 << 16];
	bool control = true, stream = true;
	while (control || stream) {
		struct pollfd p[2] = { { control ? in->control_fd : -1, POLLIN, 0 },
				       { stream ? in->stream_fd : -1, POLLIN, 0 } };
		if (poll(p, 2, 20000) <= 0)
			return;
		ssize_t n;
		if (p[0].revents) {
			n = read(in->control_fd, buf, sizeof(buf) - 1);
			if (n >= (ssize_t)sizeof(struct pymem_msg))
				on_message(in, buf, o, wait);
			else
				control = false;
		}
		if (p[1].revents) {
			n = read(in->stream_fd, buf, sizeof(buf));
			if (n > 0)
				o->bytes += (size_t)n;
			else
				stream = false;
		}
		if (o->done && !stream)
			return;
	}
}

static void print_result(int round, const struct injection *in, const struct outcome *o,
			 int injected, int ejected, const struct load_error *err)
{
	printf("{\"round\":%d,\"injected\":%s,\"hello\":%s,\"done\":%s,\"bytes\":%zu,"
	       "\"ejected\":%s,\"reused\":%s,\"stopped_ns\":%llu,\"fork_ns\":%llu,"
	       "\"consistent\":%s,\"code\":%d,\"error\":\"",
	       round, injected ? "false" : "true", o->hello ? "true" : "false",
	       o->done ? "true" : "false", o->bytes, ejected ? "false" : "true",
	       in->reused ? "true" : "false", (unsigned long long)in->stopped_ns,
	       (unsigned long long)in->fork_ns, in->consistent ? "true" : "false",
	       (int)err->code);
	for (const char *p = err->code ? err->text : o->text; *p; p++)
		if (*p >= ' ' && *p != '"' && *p != '\\')
			putchar(*p);
	printf("\"}\n");
	fflush(stdout);
}

struct wish {
	bool external, keep, wait, remove, cut;
	int rounds;
};

/* False: no such option, or not two arguments left. */
static bool parse(int argc, char **argv, struct inject_options *options,
		  struct wish *wish)
{
	int opt;

	while ((opt = getopt(argc, argv, "xkavn:wlorcs:")) != -1) {
		switch (opt) {
		case 'x':
			wish->external = options->unfiltered = true; /* as asked for */
			break;
		case 'k':
			wish->keep = true;
			break;
		case 'a':
			options->any_process = true;
			break;
		case 'v':
			options->log = print_line;
			break;
		case 'n':
			wish->rounds = atoi(optarg);
			break;
		case 'w':
			wish->wait = true;
			strcpy(options->start.skip_types, "!");
			break;
		case 'l':
			strcpy(options->start.skip_types, "?");
			break;
		case 'o':
			strcpy(options->start.skip_types, "%");
			break;
		case 'r':
			wish->remove = true;
			break;
		case 'c':
			wish->cut = true;
			break;
		case 's':
			options->safe_point_ms = (unsigned)atoi(optarg);
			break;
		default:
			return false;
		}
	}
	return argc - optind == 2;
}

/* One injection and what came of it; false = not as it should be. */
static bool once(pid_t pid, int round, const struct inject_options *options,
		 const struct wish *wish)
{
	struct injection in = {
		.control_fd = -1, .stream_fd = -1, .command_fd = -1, .pidfd = -1
	};
	struct outcome o = { 0 };
	struct load_error err = { 0 };
	int injected, ejected = -1;

	if (wish->remove) {
		const int status = inject_remove(pid, options, &err);

		print_result(round, &in, &o, status, status, &err);
		return status == 0;
	}
	injected = wish->external ? inject_external(pid, options, &in, &err) :
				    inject_agent(pid, options, &in, &err);
	if (!injected) {
		if (!wish->cut)
			receive(&in, &o, wish->wait);
		ejected = inject_eject(&in, options, wish->keep, &err);
		inject_close(&in);
	}
	print_result(round, &in, &o, injected, ejected, &err);
	return !injected && !ejected && (wish->cut || o.done);
}

int main(int argc, char **argv)
{
	struct inject_options options = { 0 };
	struct wish wish = { .rounds = 1 };
	int failures = 0;

	if (!parse(argc, argv, &options, &wish))
		return 2;
	pid_t pid = atoi(argv[optind + 1]);
	options.agent = read_file(argv[optind], &options.agent_size);
	if (!options.agent) {
		perror(argv[optind]);
		return 2;
	}
	options.start.loader_pid = (uint32_t)getpid();
	for (int i = 0; i < wish.rounds; i++)
		failures += !once(pid, i, &options, &wish);
	free((void *)(uintptr_t)options.agent);
	return failures ? 1 : 0;
}
