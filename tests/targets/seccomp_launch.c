/* SPDX-License-Identifier: MIT */
/*
 * seccomp_launch - runs a program under seccomp filters:
 *
 *	seccomp_launch FILTER... -- PROGRAM [ARG...]
 *
 * A FILTER is an action for all calls that no rule names, and rules, with commas:
 *
 *	allow,kill:310,errno:clone3=38,kill:mmap/2=5,allow:@FILE
 *
 * Actions: allow, kill, thread, trap, errno (EPERM, or =NUMBER), trace, log, notify (a
 * supervisor that never answers).  A rule is ACTION:CALL, by name or number, for those
 * with an argument of a certain value CALL/INDEX=VALUE; @FILE names one call a line, or
 * `CALL ERRNO`.  The first rule that fits counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loader/target/call_name.h"
#include "loader/cpu/cpu.h"
#include "loader/target/filter.h"

static struct sock_filter code[FILTER_MAX];
static unsigned short count;

static void fail(const char *what, const char *text)
{
	fprintf(stderr, "seccomp_launch: %s %s\n", what, text);
	exit(2);
}

static void add(struct sock_filter f)
{
	if (count == FILTER_MAX)
		fail("too many rules", "");
	code[count++] = f;
}

static uint32_t action_of(const char *name)
{
	static const struct {
		const char *name;
		uint32_t action;
	} actions[] = {
		{ "allow", SECCOMP_RET_ALLOW },
		{ "kill", SECCOMP_RET_KILL_PROCESS },
		{ "thread", SECCOMP_RET_KILL_THREAD },
		{ "trap", SECCOMP_RET_TRAP },
		{ "errno", SECCOMP_RET_ERRNO | EPERM },
		{ "trace", SECCOMP_RET_TRACE },
		{ "log", SECCOMP_RET_LOG },
		{ "notify", SECCOMP_RET_USER_NOTIF },
	};
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (!strcmp(actions[i].name, name))
			return actions[i].action;
	fail("unknown action", name);
	return 0;
}

/* -1: this machine has no such call. */
static long number_of(const char *name)
{
	char *end, known[64];
	const long number = strtol(name, &end, 10);
	if (end != name && !*end)
		return number;
	for (long nr = 0; nr < 1024; nr++) {
		call_name(nr, known, sizeof(known));
		known[strcspn(known, " ")] = '\0';
		if (!strcmp(known, name))
			return nr;
	}
	return -1;
}

static void add_rule(uint32_t action, const char *call, int index, uint32_t value)
{
	const long nr = number_of(call);
	const uint32_t at =
		(uint32_t)offsetof(struct seccomp_data, args) + (uint32_t)index * 8;
	if (nr < 0)
		return;
	add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0,
					 index < 0 ? 1 : 4));
	if (index >= 0) {
		add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at));
		add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
	}
	add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
	if (index >= 0)
		add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr)));
}

static void add_file(uint32_t action, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[256], call[64];
	unsigned error;
	if (!f)
		fail("can't read", path);
	while (fgets(line, sizeof(line), f)) {
		const int got = sscanf(line, "%63s %u", call, &error);
		if (got >= 1 && call[0] != '#')
			add_rule(got == 2 ? SECCOMP_RET_ERRNO | error : action, call, -1,
				 0);
	}
	fclose(f);
}

/* CALL, CALL=ERRNO, CALL/INDEX=VALUE or @FILE */
static void add_text(const char *name, char *call)
{
	uint32_t action = action_of(name), value = 0;
	char *slash = strchr(call, '/'), *equals = strchr(call, '=');
	int index = -1;
	if (call[0] == '@') {
		add_file(action, call + 1);
		return;
	}
	if (equals) {
		*equals = '\0';
		value = (uint32_t)strtoul(equals + 1, NULL, 0);
	}
	if (slash) {
		*slash = '\0';
		index = atoi(slash + 1);
	} else if (equals) {
		action = SECCOMP_RET_ERRNO | value;
	}
	add_rule(action, call, index, value);
}

static void install(const char *text)
{
	char *copy = strdup(text), *rest = copy, *rule;
	const uint32_t otherwise = action_of(strsep(&rest, ","));
	count = 0;
	add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					 offsetof(struct seccomp_data, arch)));
	add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, cpu_audit_arch, 1,
					 0));
	add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					 offsetof(struct seccomp_data, nr)));
	while ((rule = strsep(&rest, ","))) {
		char *call = strchr(rule, ':');
		if (!call)
			fail("no call in", rule);
		*call = '\0';
		add_text(rule, call + 1);
	}
	add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, otherwise));
	const struct sock_fprog program = { count, code };
	const unsigned long flags =
		strstr(text, "notify") ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
	const long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (fd < 0)
		fail("can't install", text);
	if (flags) /* the supervisor is the program itself, which knows nothing of it */
		fcntl((int)fd, F_SETFD, 0);
	free(copy);
}

int main(int argc, char **argv)
{
	int at = 1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return 2;
	while (at < argc && strcmp(argv[at], "--"))
		install(argv[at++]);
	if (at + 1 >= argc)
		fail("usage:", "seccomp_launch FILTER... -- PROGRAM [ARG...]");
	execvp(argv[at + 1], argv + at + 1);
	fail("can't run", argv[at + 1]);
}
