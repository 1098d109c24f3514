/* SPDX-License-Identifier: MIT */
/* plan - see plan.h. */
#include "loader/capture/plan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/text/escape.h"
#include "formats/text/print.h"
#include "loader/capture/control_client.h"
#include "loader/target/foreign.h"
#include "loader/inject/allowed.h"
#include "loader/target/target.h"
#include "loader/base/amount.h"

#define GIB 1073741824.0
#define MIB (UINT64_C(1) << 20)

static void plan_warn(struct plan *plan, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void plan_warn(struct plan *plan, const char *format, ...)
{
	va_list args;

	if (plan->warning_count == PLAN_WARNINGS)
		return;
	va_start(args, format);
	vsnprintf(plan->warnings[plan->warning_count++], sizeof(plan->warnings[0]),
		  format, args);
	va_end(args);
}

static void plan_refuse(struct plan *plan, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void plan_refuse(struct plan *plan, const char *format, ...)
{
	va_list args;

	if (plan->refusal[0])
		return;
	va_start(args, format);
	vsnprintf(plan->refusal, sizeof(plan->refusal), format, args);
	va_end(args);
}

/*
 * Memory of the process: smaps_rollup (Linux 4.14) needs the right to ptrace;
 * status is readable by anybody.
 */
static void plan_read_memory(struct plan *plan)
{
	const uint64_t none = UINT64_MAX;
	char *const status = process_read_own(plan->pid, "status", 65536, NULL);
	char *text = process_read_own(plan->pid, "smaps_rollup", 65536, NULL);

	if (status)
		plan->parent = (pid_t)process_text_field(status, "PPid", 10, 0);
	plan->estimated = !text || process_text_field(text, "Rss", 10, none) == none;
	if (!plan->estimated) {
		plan->rss = process_text_field(text, "Rss", 10, 0) * 1024;
		plan->anonymous = process_text_field(text, "Anonymous", 10, 0) * 1024;
		plan->huge = process_text_field(text, "AnonHugePages", 10, 0) * 1024;
		plan->pss = process_text_field(text, "Pss", 10, 0) * 1024;
		plan->private = process_text_field(text, "Private_Clean", 10, 0) * 1024 +
			process_text_field(text, "Private_Dirty", 10, 0) * 1024;
	} else if (status) {
		plan->rss = process_text_field(status, "VmRSS", 10, 0) * 1024;
		plan->anonymous =
			process_text_field(status, "RssAnon", 10, plan->rss / 1024) *
			1024;
	}
	free(status);
	free(text);
}

static const char overcommit_warning[] =
	"vm.overcommit_memory is 2 and the commit limit is near: the kernel will "
	"probably refuse the fork (nothing happens then); --no-fork does without";
static const char confined_warning[] =
	"a seccomp filter confines the process: it is read when a thread is stopped, and "
	"if it could end the process no agent is run there; a frozen copy without the "
	"filter "
	"is walked only if --method=external asks for it";
static const char oom_group_warning[] =
	"memory.oom.group is set: if the cgroup ran out of memory, the kernel would "
	"kill all of it; the copy is watched and killed long before";

/* vm.overcommit_memory 2: fork is charged for every writable private page. */
static void plan_check_overcommit(struct plan *plan)
{
	char *mode = process_read_text("/proc/sys/vm/overcommit_memory", 64, NULL);
	char *info = process_read_text("/proc/meminfo", 65536, NULL);
	char *status = process_read_own(plan->pid, "status", 65536, NULL);

	if (mode && info && status && mode[0] == '2') {
		const uint64_t limit = process_text_field(info, "CommitLimit", 10, 0);
		const uint64_t used = process_text_field(info, "Committed_AS", 10, 0);

		if (used + process_text_field(status, "VmData", 10, 0) > limit)
			plan_warn(plan, "%s", overcommit_warning);
	}
	free(mode);
	free(info);
	free(status);
}

/* Which way is tried first, and why. */
static void plan_choose(struct plan *plan, const struct load_options *o,
			const struct target *target)
{
	const bool stopped = target && target->process.state == 'T';

	plan->in_place = o->no_fork;
	plan->method = o->method;
	if (o->method == LOAD_METHOD_EXTERNAL) {
		plan->why = "asked for";
	} else if (o->method == LOAD_METHOD_AGENT || o->no_fork) {
		plan->method = LOAD_METHOD_AGENT;
		plan->why = "asked for";
	} else if (stopped) {
		plan->method = LOAD_METHOD_EXTERNAL;
		plan->why = "the process is stopped and stays so";
	} else {
		plan->method = LOAD_METHOD_AGENT;
		plan->why = plan->preloaded ?
			"the process carries the agent and answers" :
			target->calls.kept_start ? "an agent is there already" :
						   "the process can run the agent";
	}
}

static void plan_predict_pause(struct plan *plan)
{
	const double small = (double)(plan->anonymous - plan->huge) / GIB;
	const double huge = (double)plan->huge / GIB;

	if (plan->in_place)
		plan->pause_ns = (uint64_t)((small + huge) * 2.2e9 + 40e6);
	else
		plan->pause_ns = (uint64_t)(small * 25e6 + huge * 1.5e6 + 1.5e6);
}

static void plan_predict_memory(struct plan *plan)
{
	const struct headroom *h = &plan->headroom;

	plan->copy_bytes = plan->anonymous / 50 + 12 * MIB;
	plan->need_bytes = plan->in_place ?
		plan->copy_bytes + 8 * MIB :
		plan->anonymous / (h->oom_group ? 3 : 10) + 24 * MIB;
	/* Where the copy is killed: 5 % of the limit, but never so much that a
	 * capture which was just let in would be ended at once. */
	plan->keep_bytes = h->limit / 20;
	if (plan->keep_bytes > plan->need_bytes / 2)
		plan->keep_bytes = plan->need_bytes / 2;
}

void plan_predict(struct plan *plan, const struct load_options *o)
{
	const struct headroom *h = &plan->headroom;
	char a[24], b[24];

	if (plan->huge > plan->anonymous)
		plan->huge = plan->anonymous;
	plan_predict_pause(plan);
	plan_predict_memory(plan);
	if (o->max_pause_ns && plan->pause_ns > o->max_pause_ns)
		plan_refuse(
			plan,
			"a pause of %s is predicted, more than --max-pause allows (%s)",
			amount_time(a, plan->pause_ns), amount_time(b, o->max_pause_ns));
	if (o->max_memory && plan->copy_bytes > o->max_memory)
		plan_refuse(
			plan,
			"the copy will need about %s, more than --max-memory allows (%s)",
			amount_bytes(a, plan->copy_bytes),
			amount_bytes(b, o->max_memory));
	if (h->free < plan->need_bytes)
		plan_refuse(
			plan,
			"only %s of memory are left in %s, and %s are wanted so that the "
			"process is not in danger; free some, raise the limit%s",
			amount_bytes(a, h->free), h->where,
			amount_bytes(b, plan->need_bytes),
			plan->in_place ?
				"" :
				", or use --no-fork (which pauses the process for "
				"the whole walk)");
	if (h->oom_group && !plan->in_place)
		plan_warn(plan, "%s", oom_group_warning);
	if (h->tasks < 3)
		plan_warn(plan,
			  "the cgroup's pids.max leaves room for %" PRIu64 " tasks, "
			  "a thread and a copy are wanted",
			  h->tasks);
}

/* -e FILE: only checked. The addresses come from the running process itself. */
static void plan_check_exec(struct plan *plan, const struct load_options *o)
{
	struct stat ours;
	dev_t dev;
	ino_t inode;

	if (!o->exec)
		return;
	const unsigned before = plan->warning_count;
	if (stat(o->exec, &ours) < 0)
		plan_warn(plan, "--exec: cannot read %.180s; it isn't needed", o->exec);
	else if (foreign_program(plan->pid, &dev, &inode) &&
		 (ours.st_dev != dev || ours.st_ino != inode))
		plan_warn(plan,
			  "--exec: the process runs another file than %.160s; its own is "
			  "used",
			  o->exec);
	plan->wrong_exec = plan->warning_count > before;
}

static void plan_take_target(struct plan *plan, const struct target *target)
{
	const struct process *p = &target->process;

	escape_copy(plan->name, sizeof(plan->name), p->comm,
		    strnlen(p->comm, sizeof(p->comm)));
	snprintf(plan->python, sizeof(plan->python), "%s", target->python.version);
	plan->python[strcspn(plan->python, " ")] = '\0';
	plan->free_threaded = target->python.free_threaded;
	if (target->confined && !target->confined_softly && !plan->preloaded &&
	    !plan->refusal[0])
		plan_warn(plan, "%s", confined_warning);
	if (target->python.copies > 1)
		plan_warn(
			plan,
			"the process holds %d interpreters' libraries; the first is used",
			target->python.copies);
}

/* All there is to know where nothing may be read but /proc/PID/status. */
static void plan_take_name(struct plan *plan)
{
	struct process p;
	struct load_error err;

	if (process_read(plan->pid, &p, &err) == 0)
		escape_copy(plan->name, sizeof(plan->name), p.comm,
			    strnlen(p.comm, sizeof(p.comm)));
}

int plan_make(pid_t pid, const struct load_options *options, struct plan *ret,
	      struct load_error *err)
{
	struct target target;
	struct load_error no;

	*ret = (struct plan){ .pid = pid };
	if (options->method != LOAD_METHOD_EXTERNAL) {
		const int fd = control_client_connect(pid);

		ret->preloaded = fd >= 0 && allowed_preloaded(pid);
		if (fd >= 0)
			close(fd);
	}
	const bool opened = target_open(pid, false, &target, err) == 0;
	if (!opened && !ret->preloaded)
		return -1;
	if (opened && !ret->preloaded && allowed_process(&target, &no))
		plan_refuse(ret, "%s", no.text);
	if (opened)
		plan_take_target(ret, &target);
	else
		plan_take_name(ret);
	plan_choose(ret, options, opened ? &target : NULL);
	if (opened)
		target_close(&target);
	plan_read_memory(ret);
	headroom_open(&ret->watch, "", pid);
	headroom_read(&ret->watch, &ret->headroom);
	plan_check_overcommit(ret);
	plan_check_exec(ret, options);
	plan_predict(ret, options);
	return 0;
}

static const char *plan_method_text(const struct plan *plan)
{
	if (plan->in_place)
		return "in place (the process is paused for the whole walk)";
	return plan->method == LOAD_METHOD_EXTERNAL ?
		"external (a frozen copy, no thread of the process runs anything)" :
		"agent (a thread of its own, then a copy-on-write copy)";
}

void plan_print(const struct plan *plan, FILE *out)
{
	char a[24], b[24], c[24];

	print_format(out, "%d (%s): Python %s, %s resident, %s anonymous%s\n",
		     (int)plan->pid, plan->name,
		     plan->python[0] ? plan->python : "of unknown version",
		     amount_bytes(a, plan->rss), amount_bytes(b, plan->anonymous),
		     plan->estimated ? " (about)" : "");
	print_format(out, "  method: %s: %s\n", plan_method_text(plan), plan->why);
	print_format(out, "  predicted pause: %s%s\n", amount_time(a, plan->pause_ns),
		     plan->in_place ? "" :
			     plan->free_threaded ?
				      " and the wait for the slowest thread" :
				      " and the wait for the GIL");
	print_format(out, "  memory: about %s for the %s; %s wanted, %s free in %s\n",
		     amount_bytes(a, plan->copy_bytes), plan->in_place ? "walk" : "copy",
		     amount_bytes(b, plan->need_bytes),
		     amount_bytes(c, plan->headroom.free), plan->headroom.where);
	for (unsigned i = 0; i < plan->warning_count; i++)
		print_format(out, "  warning: %s\n", plan->warnings[i]);
	if (plan->refusal[0])
		print_format(out, "  refused: %s\n", plan->refusal);
}
