/* SPDX-License-Identifier: MIT */
/*
 * inject - see inject.h.  This file keeps the books: the target's description
 * and the lock live from the injection to inject_close, the tracing itself
 * is done by helpers (helper.h).
 */
#include "loader/inject/inject.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "loader/base/amount.h"
#include "loader/base/clock.h"
#include "loader/inject/channels.h"
#include "loader/inject/helper.h"
#include "loader/inject/external_method.h"
#include "loader/inject/allowed.h"
#include "loader/inject/target_lock.h"
#include "loader/inject/agent_method.h"
#include "loader/target/foreign.h"
#include "loader/target/target.h"
#include "loader/base/deadline.h"

#define AGENT_THREAD "pymem-agent"
#define WORKER_WAIT_MS 2000

struct private
{
	struct target target;
	struct helper helper;
	int lock;
};

static uint64_t inject_random(void)
{
	uint64_t n = 0;

	while (!n)
		if (getrandom(&n, sizeof(n), 0) != sizeof(n))
			n = clock_now() ^ (uint64_t)getpid() << 32;
	return n;
}

/* Longest a helper may take: every wait in it, and then some. */
static unsigned inject_time_limit(const struct inject_options *o)
{
	return injection_safe_ms(o) + 2 * injection_call_ms(o) +
		10 * injection_stop_ms(o) + 10000;
}

static struct private *inject_open_private(pid_t pid, const struct inject_options *o,
					   struct load_error *err)
{
	struct private *p = calloc(1, sizeof(*p));

	if (!p) {
		load_fail(err, LOAD_E_SYSTEM, ENOMEM, "out of memory");
		return NULL;
	}
	if (target_open(pid, o->any_process, &p->target, err)) {
		free(p);
		return NULL;
	}
	if (allowed_process(&p->target, err)) {
		target_close(&p->target);
		free(p);
		return NULL;
	}
	p->lock = target_lock_take(pid, err);
	if (p->lock < 0) {
		target_close(&p->target);
		free(p);
		return NULL;
	}
	p->helper = (struct helper){ .ordinal = 1,
				     .options = o,
				     .target = &p->target,
				     .channel = -1,
				     .lock = p->lock,
				     .fds = { -1, -1, -1 } };
	p->helper.result.remote_fd[0] = p->helper.result.remote_fd[1] =
		p->helper.result.remote_fd[2] = -1;
	p->helper.result.injection.nonce = inject_random();
	return p;
}

static void inject_close_private(struct private *p)
{
	if (!p)
		return;
	helper_finish(&p->helper, 3000);
	for (int i = 0; i < 3; i++)
		if (p->helper.fds[i] >= 0)
			close(p->helper.fds[i]);
	if (p->lock >= 0)
		close(p->lock);
	target_close(&p->target);
	free(p);
}

/* Hands the fds and numbers of a finished helper to the caller. */
static void inject_deliver(struct private *p, struct injection *ret)
{
	struct helper *h = &p->helper;

	assert(!h->result.status);
	*ret = h->result.injection;
	ret->pid = p->target.pid;
	ret->pidfd = p->target.pidfd;
	ret->control_fd = h->fds[0];
	ret->stream_fd = h->fds[1];
	ret->command_fd = h->fds[2] >= 0 ? h->fds[2] : h->fds[0];
	h->fds[0] = h->fds[1] = h->fds[2] = -1;
	ret->priv = p;
}

/* ---- bringing it in ---- */

/* Is this thread of the target the agent's worker? What can't be seen may be. */
static bool inject_is_worker(pid_t pid, pid_t tid, uint32_t worker_tid)
{
	char path[64];

	if (worker_tid) { /* as the target itself counts */
		pid_t inner = process_thread_inner(pid, tid);

		return inner < 0 || (uint32_t)inner == worker_tid;
	}
	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", pid, tid);
	char *name = process_read_text(path, 64, NULL);
	const bool is = name && !strcmp(name, AGENT_THREAD "\n");
	free(name);
	return is;
}

static bool inject_worker_is_listed(const struct injection *in)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/task", in->pid);
	DIR *dir = opendir(path);
	if (!dir)
		return errno != ENOENT && errno != ESRCH;
	bool found = false;
	for (struct dirent *d; !found && (d = readdir(dir));) {
		pid_t tid = (pid_t)strtol(d->d_name, NULL, 10);

		found = tid > 0 && inject_is_worker(in->pid, tid, in->worker_tid);
	}
	closedir(dir);
	return found;
}

/*
 * Where the target counts as we do its number tells at once.  Else all threads are
 * looked through, twice: a listing that takes several calls may miss one when
 * others end meanwhile (fs/proc/base.c first_tid).
 */
static bool inject_worker_lives(const struct private *p, uint32_t worker_tid)
{
	const struct injection worker = { .pid = p->target.pid,
					  .worker_tid = worker_tid };

	if (worker_tid && p->target.process.nspid_count == 1)
		return inject_is_worker(worker.pid, (pid_t)worker_tid, worker_tid);
	/* NOLINTNEXTLINE(misc-redundant-expression): a second look, as said above */
	return inject_worker_is_listed(&worker) || inject_worker_is_listed(&worker);
}

/* What a killed loader left; nothing, as long as a worker may be using it. */
static void inject_find_orphans(struct private *p, struct orphans *ret)
{
	orphans_find(&p->target, ret);
	for (int i = 0; i < ret->region_count && i < TARGET_USED; i++)
		p->target.used[p->target.used_count++] = ret->region[i];
	const bool any = orphans_any(ret) || p->target.calls.kept.end;
	if (any && (ret->worker || inject_worker_lives(p, 0)))
		*ret = (struct orphans){ .worker = true };
}

/*
 * We have the lock, so no loader is at work: a worker that lives was given up by one
 * while it waited for the GIL, which nothing can call it away from.
 */
static int inject_check_given_up(const struct private *p, const struct orphans *l,
				 struct load_error *err)
{
	if (!p->target.calls.kept.end || !l->worker)
		return 0;
	return load_fail(err, LOAD_E_STATE, EBUSY,
			 "in process %d the thread of a capture that was given up still "
			 "waits for the GIL, and ends when it gets it; until then "
			 "--method=external works",
			 p->target.pid);
}

/*
 * The target, what is left in it, and the agent's image (NULL: none is wanted), which
 * the caller frees; NULL with *err.
 */
static struct private *inject_open(pid_t pid, const struct inject_options *options,
				   struct orphans *orphans, struct agent_image *image,
				   struct load_error *err)
{
	deadline_begin(pid, 0, options->cancel_fd);
	struct private *p = inject_open_private(pid, options, err);
	if (p)
		inject_find_orphans(p, orphans);
	deadline_end();
	if (p && image && agent_image_init(image, options, err)) {
		inject_close_private(p);
		p = NULL;
	}
	return p;
}

int inject_agent(pid_t pid, const struct inject_options *options, struct injection *ret,
		 struct load_error *err)
{
	struct agent_image image;
	struct orphans orphans;
	struct private *p = inject_open(pid, options, &orphans, &image, err);

	if (!p)
		return -1;
	struct method_input plan = { .image = &image, .orphans = &orphans };
	p->helper.input = &plan;
	int status = inject_check_given_up(p, &orphans, err);
	if (!status)
		status = helper_run(&p->helper, agent_method_load,
				    inject_time_limit(options), false, err);
	agent_image_free(&image);
	if (status) {
		inject_close_private(p);
		return -1;
	}
	inject_deliver(p, ret);
	return 0;
}

int inject_external(pid_t pid, const struct inject_options *options,
		    struct injection *ret, struct load_error *err)
{
	struct agent_image image;
	struct orphans orphans; /* its threads aren't borrowed, that's all */
	struct private *p = inject_open(pid, options, &orphans, &image, err);

	if (!p)
		return -1;
	struct method_input plan = { .image = &image };
	p->helper.input = &plan;
	int status = helper_run(&p->helper, external_run,
				inject_time_limit(options) + 20000, true, err);
	agent_image_free(&image);
	if (status) {
		inject_close_private(p);
		return -1;
	}
	inject_deliver(p, ret);
	return 0;
}

/* ---- taking it out ---- */

/*
 * By the number that its creation returned: the worker of an agent that was only
 * just loaded has no name yet.
 */
static int inject_wait_worker_gone(const struct injection *in, struct load_error *err)
{
	const struct private *p = in->priv;
	const uint32_t created = p->helper.result.injection.worker_tid;
	const uint32_t worker = created ? created : in->worker_tid;
	uint64_t deadline = clock_now() + WORKER_WAIT_MS * 1000000ull;

	while (inject_worker_lives(p, worker)) {
		if (clock_now() > deadline)
			return load_fail(err, LOAD_E_TIMEOUT, 0,
					 "the agent's thread in process %d is still "
					 "there (does it wait for the GIL?): the agent "
					 "stays loaded and will end by itself",
					 in->pid);
		nanosleep(&(struct timespec){ 0, 500000 }, NULL);
	}
	return 0;
}

/* What /proc must no longer show. */
static int inject_verify_gone(const struct private *p, struct load_error *err)
{
	const struct target *t = &p->target;
	uint64_t bytes = 0;
	bool mapped = target_find_agent(t->pid, t->process.live_tid, &bytes) != 0;
	char size[24];

	if (mapped && t->libc_kind == LIBC_MUSL)
		return load_fail(err, LOAD_E_CALL, 0,
				 "the agent stays in process %d, idle (%s mapped), and "
				 "serves the next capture: its C library, musl, never "
				 "unloads anything",
				 t->pid, amount_bytes(size, bytes));
	if (mapped)
		return load_fail(err, LOAD_E_CALL, 0,
				 "the agent is still mapped in process %d: its dynamic "
				 "loader kept it",
				 t->pid);
	const struct helper_result *r = &p->helper.result;
	for (int i = 0; i < 3; i++)
		if (r->remote_fd[i] >= 0 && r->remote_inode[i] &&
		    foreign_look(t->pid, t->process.live_tid, r->remote_fd[i]).inode ==
			    r->remote_inode[i])
			return load_fail(err, LOAD_E_CALL, 0,
					 "descriptor %d of the capture is still open in "
					 "process %d",
					 r->remote_fd[i], t->pid);
	return 0;
}

/* The target as it was described may have changed: only its life is checked. */
static int inject_run_eject(struct private *p, struct method_input *plan,
			    struct injection *in, struct load_error *err)
{
	struct helper h = p->helper;

	h.input = plan;
	h.ordinal = 2;
	h.result.injection.stopped_ns = 0;
	int status = helper_run(&h, agent_method_eject, inject_time_limit(h.options),
				false, err);
	if (in)
		in->stopped_ns += h.result.injection.stopped_ns;
	return status;
}

static int inject_eject_agent(struct private *p, struct injection *in, bool keep,
			      struct load_error *err)
{
	if (target_gone(&p->target))
		return 0; /* nothing is left to be taken out */
	if (inject_wait_worker_gone(in, err))
		return -1;
	struct method_input plan = { .handle = keep ? 0 : in->handle,
				     .region = in->stack_addr,
				     .region_size = in->stack_size,
				     .ends = &p->helper.result };
	if (inject_run_eject(p, &plan, in, err))
		return target_gone(&p->target) ? 0 : -1;
	return keep ? 0 : inject_verify_gone(p, err);
}

int inject_eject(struct injection *in, const struct inject_options *options, bool keep,
		 struct load_error *err)
{
	struct private *p = in->priv;

	if (!p)
		return 0;
	p->helper.options = options;
	if (!in->copy_pid)
		return inject_eject_agent(p, in, keep, err);
	/* the helper kills the copy and reaps it in the target */
	if (!helper_finish(&p->helper, 5000))
		return load_fail(
			err, LOAD_E_TIMEOUT, 0,
			"the copy of process %d could not be cleared away in time",
			in->pid);
	in->stopped_ns += p->helper.result.injection.stopped_ns;
	if (p->helper.result.status)
		*err = p->helper.result.error;
	return p->helper.result.status;
}

/* The kept agent and what else there is; nobody is at work. */
static int inject_remove_all(struct private *p, struct orphans *orphans,
			     struct load_error *err)
{
	struct method_input plan = { .handle = p->target.calls.kept_handle,
				     .orphans = orphans };

	if (plan.handle || orphans_any(orphans))
		return inject_run_eject(p, &plan, NULL, err) ||
				inject_verify_gone(p, err) ?
			-1 :
			0;
	if (!p->target.calls.kept.end)
		return 0;
	return load_fail(
		err, LOAD_E_CALL, 0,
		"the agent in process %d can't be found in its list of libraries",
		p->target.pid);
}

int inject_remove(pid_t pid, const struct inject_options *options, struct load_error *err)
{
	struct orphans orphans;
	struct private *p = inject_open(pid, options, &orphans, NULL, err);

	if (!p)
		return -1;
	int status;
	if (orphans.worker)
		status = load_fail(err, LOAD_E_BUSY, EBUSY,
				   "another capture of process %d is running", pid);
	else
		status = inject_remove_all(p, &orphans, err);
	inject_close_private(p);
	return status;
}

void inject_close(struct injection *in)
{
	if (in->control_fd >= 0)
		close(in->control_fd);
	if (in->command_fd >= 0 && in->command_fd != in->control_fd)
		close(in->command_fd);
	if (in->stream_fd >= 0)
		close(in->stream_fd);
	in->control_fd = in->command_fd = in->stream_fd = in->pidfd = -1;
	inject_close_private(in->priv);
	in->priv = NULL;
}
