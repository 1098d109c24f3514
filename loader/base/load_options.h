/* SPDX-License-Identifier: MIT */
/*
 * load_options - the command line of pymem-load as one struct.
 *
 * GNU getopt_long rules: short and long options, abbreviations of long ones,
 * "--".  What comes after "--" is a command to start; before it, PIDs and names.  The
 * two-letter option -ss of memory_analyzer is understood as well as its long
 * form.  Strings point into argv; both must outlive the options.
 */
#ifndef PYMEM_LOADER_BASE_LOAD_OPTIONS_H
#define PYMEM_LOADER_BASE_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum load_method { LOAD_METHOD_AUTO, LOAD_METHOD_AGENT, LOAD_METHOD_EXTERNAL };

#define OPTIONS_NAMES_MAX 64

struct load_options {
	const pid_t *pids; /* in the order given; freed by load_options_free */
	size_t pid_count;
	const char **wanted; /* processes by name, for choose.h; freed likewise */
	size_t wanted_count;
	bool children;	/* --children: and those that they started */
	char **spelled; /* words of argv that were replaced; freed by load_options_free */
	size_t spelled_count;
	char **command; /* NULL, or a NULL-terminated argv */

	const char *output; /* -f; NULL = default name, "-" = standard output */
	const char *as; /* --summary, --profile: what pymem-view exports in the snapshot's
			 * place, or NULL */
	const char *html;     /* --html: the page to write, or NULL */
	const char *snapshot; /* --snapshot: older file to compare with, or NULL */
	const char *exec;     /* -e: the target's python binary, or NULL */
	const char *core;     /* --core: a core file instead of processes, or NULL */
	const char *sysroot;  /* --sysroot: the root that its paths are below, or NULL */
	const char *probes;   /* --probes: file, or NULL */
	const char *upload;   /* --upload: shell command; NULL: none, or --no-upload */
	bool no_upload, quiet, debug, json, dry_run, keep_agent, no_fork, no_values;
	enum load_method method;

	unsigned references;		      /* -s N */
	const char *names[OPTIONS_NAMES_MAX]; /* -ss NAME */
	size_t name_count;

	uint32_t value_limit;  /* --values N characters; 0 = the agent's default */
	uint64_t max_pause_ns; /* 0 = no limit */
	uint64_t max_memory;   /* bytes, 0 = no limit */
	uint64_t timeout_ns;   /* of one capture */
	uint64_t gil_timeout_ns;
	uint64_t every_ns;   /* 0 = once */
	uint64_t leak_check; /* marks that are compared, 0 = none */
	uint64_t count;	     /* of --every; 0 = until stopped */
};

enum options_verdict { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_WRONG };

/*
 * Parses argv (which it may reorder).  OPTIONS_WRONG: one sentence in
 * error[512] says what is wrong.  After OPTIONS_RUN the caller calls load_options_free.
 */
enum options_verdict load_options_parse(int argc, char **argv, struct load_options *ret,
					char error[512]);
void load_options_free(struct load_options *options);
/* The text of --help. */
void load_options_help(FILE *out);

/* "80M", "2.5G", "1024": bytes with K M G T (powers of 1024). 0 or -1. */
int load_options_size(const char *text, uint64_t *ret);
/* "60s", "1.5m", "2h", "100ms", "5" (seconds): nanoseconds. 0 or -1. */
int load_options_time(const char *text, uint64_t *ret);

#endif
