/* SPDX-License-Identifier: MIT */
/* process - see process.h. */
#include "loader/target/process.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PF_KTHREAD 0x00200000u /* include/linux/sched.h */

char *process_read_text(const char *path, size_t limit, size_t *size_ret)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	size_t size = 0, room = 4096;
	char *text = malloc(room + 1);
	while (text && size < limit) {
		if (size == room) {
			room *= 2;
			char *more = realloc(text, room + 1);
			if (!more) {
				free(text);
				text = NULL;
				break;
			}
			text = more;
		}
		ssize_t n = read(fd, text + size, room - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int saved = errno;

			free(text);
			close(fd);
			errno = saved;
			return NULL;
		}
		if (!n)
			break;
		size += (size_t)n;
	}
	close(fd);
	if (!text) {
		errno = ENOMEM;
		return NULL;
	}
	text[size] = 0;
	if (size_ret)
		*size_ret = size;
	return text;
}

/* Start of the value after "Key:" at the beginning of a line, or NULL. */
static const char *process_find_field(const char *status, const char *key)
{
	size_t length = strlen(key);

	for (const char *line = status; line && *line;) {
		if (!strncmp(line, key, length) && line[length] == ':')
			return line + length + 1;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return NULL;
}

uint64_t process_text_field(const char *status, const char *key, int base,
			    uint64_t fallback)
{
	const char *value = process_find_field(status, key);

	return value ? strtoull(value, NULL, base) : fallback;
}

static void process_read_ids(const char *status, const char *key, uint32_t out[4])
{
	const char *p = process_find_field(status, key);

	for (int i = 0; p && i < 4; i++) {
		char *end;

		out[i] = (uint32_t)strtoul(p, &end, 10);
		p = end;
	}
}

static void process_read_nspid(const char *status, struct process *p)
{
	p->nspid_count = 0;
	const char *s = process_find_field(status, "NSpid");
	while (s && p->nspid_count < 8) {
		char *end;
		long n = strtol(s, &end, 10);

		if (end == s || (memchr(s, '\n', (size_t)(end - s)) && p->nspid_count))
			break;
		p->nspid[p->nspid_count++] = (pid_t)n;
		s = *end == '\n' ? NULL : end;
	}
	if (!p->nspid_count)
		p->nspid[p->nspid_count++] = p->pid; /* kernel < 4.1 */
}

/* comm is between the first '(' and the last ')': it may hold anything. */
static int process_parse_stat(char *text, struct process *p)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')');

	if (!open || !close || close < open || !close[1])
		return -1;
	size_t n = (size_t)(close - open - 1);
	if (n >= sizeof(p->comm))
		n = sizeof(p->comm) - 1;
	memcpy(p->comm, open + 1, n);
	p->comm[n] = 0;
	char *field = close + 2;
	p->state = *field;
	for (int i = 4; i <= 22 && field; i++) { /* field 22: starttime */
		field = strchr(field, ' ');
		if (field)
			field++;
		if (i == 4 && field)
			p->ppid = (pid_t)strtol(field, NULL, 10);
		if (i == 9 && field)
			p->kthread = strtoul(field, NULL, 10) & PF_KTHREAD;
	}
	if (!field)
		return -1;
	p->starttime = strtoull(field, NULL, 10);
	return 0;
}

char process_thread_state(pid_t pid, pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	char *text = process_read_text(path, 4096, NULL);
	char *close = text ? strrchr(text, ')') : NULL;
	char state = close && close[1] ? close[2] : 0;
	free(text);
	return state;
}

const char *process_name(pid_t pid, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	char *text = process_read_text(path, 256, NULL);
	snprintf(buf, size, "%s", text ? text : "?");
	buf[strcspn(buf, "\n")] = 0;
	free(text);
	return buf;
}

/* A zombie leader may have live threads: one of them stands for the process. */
static pid_t process_find_live_thread(const struct process *p)
{
	if (p->state != 'Z' && p->state != 'X')
		return p->pid;
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task", p->pid);
	DIR *dir = opendir(path);
	pid_t live = 0;
	for (struct dirent *e; dir && !live && (e = readdir(dir));) {
		pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);
		char state = tid > 0 ? process_thread_state(p->pid, tid) : 0;

		if (state && state != 'Z' && state != 'X')
			live = tid;
	}
	if (dir)
		closedir(dir);
	return live;
}

pid_t process_live(pid_t pid)
{
	const struct process p = { .pid = pid, .state = process_thread_state(pid, pid) };
	const pid_t live = p.state ? process_find_live_thread(&p) : 0;

	return live ? live : pid;
}

char *process_read_own(pid_t pid, const char *name, size_t limit, size_t *size_ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)process_live(pid), name);
	return process_read_text(path, limit, size_ret);
}

static void process_parse_status(const char *s, struct process *p)
{
	p->tgid = (pid_t)process_text_field(s, "Tgid", 10, (uint64_t)p->pid);
	p->tracer = (pid_t)process_text_field(s, "TracerPid", 10, 0);
	process_read_ids(s, "Uid", p->uid);
	process_read_ids(s, "Gid", p->gid);
	process_read_nspid(s, p);
	p->seccomp = (int)process_text_field(s, "Seccomp", 10, 0);
	p->no_new_privs = process_text_field(s, "NoNewPrivs", 10, 0) != 0;
	p->threads = (unsigned)process_text_field(s, "Threads", 10, 1);
}

static int process_read_failed(pid_t pid, struct load_error *err)
{
	if (errno == ENOENT || errno == ESRCH)
		return load_fail(err, LOAD_E_GONE, errno, "there is no process %d", pid);
	if (errno == EACCES || errno == EPERM)
		return load_fail(
			err, LOAD_E_PERMISSION, errno,
			"/proc/%d can't be read (%s): is /proc mounted with hidepid?",
			pid, strerror(errno));
	return load_fail(err, LOAD_E_SYSTEM, errno, "/proc/%d can't be read: %s", pid,
			 strerror(errno));
}

int process_read(pid_t pid, struct process *ret, struct load_error *err)
{
	struct process p = { .pid = pid };
	char path[64];

	if (pid <= 0)
		return load_fail(err, LOAD_E_GONE, 0, "there is no process %d", pid);
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	char *stat = process_read_text(path, 65536, NULL);
	if (!stat)
		return process_read_failed(pid, err);
	int bad = process_parse_stat(stat, &p);
	free(stat);
	if (bad)
		return load_fail(err, LOAD_E_SYSTEM, 0, "%s isn't understood", path);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	char *status = process_read_text(path, 65536, NULL);
	if (!status)
		return process_read_failed(pid, err);
	process_parse_status(status, &p);
	free(status);
	p.live_tid = process_find_live_thread(&p);
	*ret = p;
	return 0;
}

pid_t process_thread_inner(pid_t pid, pid_t tid)
{
	struct process thread = { .pid = tid };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	char *status = process_read_text(path, 65536, NULL);
	if (!status)
		return errno == ENOENT || errno == ESRCH ? 0 : -errno;
	process_read_nspid(status, &thread);
	free(status);
	return process_inner_pid(&thread);
}

pid_t process_inner_pid(const struct process *process)
{
	assert(process->nspid_count >= 1);
	return process->nspid[process->nspid_count - 1];
}
