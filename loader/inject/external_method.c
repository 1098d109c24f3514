/* SPDX-License-Identifier: MIT */
/* external_method - see external_method.h. */
#include "loader/inject/external_method.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/base/clock.h"
#include "loader/inject/borrow.h"
#include "loader/inject/channels.h"
#include "loader/inject/copy_state.h"
#include "loader/inject/allowed.h"
#include "loader/inject/remote_call.h"
#include "loader/inject/remote_dlopen.h"
#include "loader/inject/remote_region.h"
#include "loader/target/foreign.h"
#include "loader/target/gil_state.h"
#include "loader/target/memory.h"
#include "loader/target/limits.h"

#define ATTEMPTS 3
#define COPY_STACK ((uint64_t)8 << 20)
#define POLL_NS 20000000ull
#define ERROR_MS 1000 /* for dlerror */

struct copy {
	struct tracee tracee;
	struct remote remote;
	int pidfd;
	pid_t pid;     /* as we see it */
	int64_t inner; /* as the target sees it: what it must wait for */
	pid_t task;    /* the thread that made it, in the target's /proc; 0 = not known */
	bool suspend;  /* the filters, in the copy too */
};

/* ---- the right instant ---- */

/* Everything in order: allocator and loader at rest, and nobody holds the GIL. */
static enum safepoint external_judge_best(const struct tracee *t)
{
	enum safepoint point = safepoint_call(t);

	if (point == SAFE && gil_state(t->helper->target, &t->mem) == GIL_HELD)
		point = UNSAFE_GIL;
	return point;
}

/* In falling order of how well the copy will do; each gets its share of the time. */
static const struct {
	borrow_judge judge;
	unsigned ms, tries;
} instants[] = {
	{ external_judge_best, 200, 12 },
	{ safepoint_call, 300, 200 },
	{ safepoint_allocator, 200, 100 },
	{ safepoint_syscall, 1000, 0 },
};

/*
 * A target with a filter: it isn't asked while we trace the thread, if we have
 * CAP_SYS_ADMIN.  The kernel turns it on again when the thread is let go, also
 * by our death.
 */
static bool external_suspend_seccomp(struct tracee *t)
{
	long options = t->options | (long)PTRACE_O_SUSPEND_SECCOMP;

	if (!t->helper->target->confined ||
	    ptrace(PTRACE_SETOPTIONS, t->tid, NULL, (void *)options))
		return false;
	t->options = options;
	helper_log(t->helper, "seccomp is suspended for %d while it is traced", t->tid);
	return true;
}

/* borrow_permit: for the two calls that a copy costs the process */
static int external_permit_calls(struct tracee *t, void *context, struct load_error *err)
{
	(void)context;
	return allowed_copy(t, external_suspend_seccomp(t), err);
}

/* borrow_permit: also for what runs in the copy; context: struct copy */
static int external_permit_copy(struct tracee *t, void *context, struct load_error *err)
{
	struct copy *c = context;
	const struct method_input *input = t->helper->input;

	return external_permit_calls(t, NULL, err) ||
			allowed_copy_code(t, input->image, &c->suspend, err) ?
		-1 :
		0;
}

static int external_borrow_instant(struct helper *h, struct copy *c, struct tracee *t,
				   struct load_error *err)
{
	const struct inject_options *given = h->options;
	struct inject_options options = *given;
	int status = -1;

	h->options = &options;
	for (size_t i = 0; status && i < sizeof(instants) / sizeof(instants[0]); i++) {
		struct borrow borrow = { .judge = instants[i].judge,
					 .permit = external_permit_copy,
					 .context = c,
					 .stopped_too = true,
					 .cancellable = true,
					 .max_tries = instants[i].tries };

		options.safe_point_ms = instants[i].ms;
		*err = (struct load_error){ 0 };
		status = borrow_thread(h, &borrow, t, err);
		h->result.injection.stopped_ns += borrow.stopped_ns;
		if (status && err->code != LOAD_E_NO_SAFE_POINT)
			break;
	}
	h->options = given;
	t->helper = h;
	return status;
}

/* ---- the copy ---- */

/* Takes over the frozen copy: it must be killed if we die. */
static int external_adopt(struct copy *c, struct helper *h, const struct tracee *parent,
			  uint64_t exit_frame, struct load_error *err)
{
	struct tracee *t = &c->tracee;

	memset(t, 0, offsetof(struct tracee, state));
	t->helper = h;
	t->pid = t->tid = c->pid = parent->clone_child;
	t->attached = true;
	t->request = PTRACE_CONT;
	t->held_count = 0;
	t->mem = MEMORY_CLOSED;
	if (tracee_wait(t, clock_now() + 1000000000ull) != TRACEE_STOP)
		return load_fail(err, LOAD_E_TIMEOUT, 0, "the copy didn't start stopped");
	t->options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
	if (!(c->suspend && external_suspend_seccomp(t)) &&
	    ptrace(PTRACE_SETOPTIONS, c->pid, NULL, (void *)t->options))
		return load_fail(err, LOAD_E_SYSTEM, errno, "PTRACE_SETOPTIONS: %s",
				 strerror(errno));
	const int error = memory_open(c->pid, c->pid, &t->mem);
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (error || cpu_save(c->pid, &t->state))
		return load_fail(err, LOAD_E_SYSTEM, 0, "the copy can't be read");
	t->state.sigmask = 0;
	t->saved = true;
	remote_init_copy(&c->remote, t, exit_frame);
	return 0;
}

/* First in line if memory runs out; raising one's value needs no right. */
static void external_volunteer_for_oom(const struct copy *c)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", c->pid);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1000", 4) < 0)
		helper_log(c->tracee.helper, "oom_score_adj: %s", strerror(errno));
	close(fd);
}

/* Connections, locks and pipes of the application must not live on in the copy. */
static int external_close_inherited(struct copy *c, struct load_error *err)
{
	int64_t ret;

	if (remote_sys(&c->remote, &ret, err, SYS_close_range, 0, ~0u, 0))
		return -1;
	if (ret >= 0)
		return 0;
	DIR *dir = foreign_list(c->pid, c->pid); /* before 5.9 */
	int status = 0;
	for (struct dirent *d; dir && !status && (d = readdir(dir));)
		if (d->d_name[0] != '.')
			status = remote_sys(&c->remote, &ret, err, SYS_close,
					    strtoul(d->d_name, NULL, 10));
	if (dir)
		closedir(dir);
	return status;
}

static void external_fill_copy_start(struct copy *c, struct pymem_start *start)
{
	struct helper *h = c->tracee.helper;
	const int32_t *fd = h->result.remote_fd;

	*start = h->options->start;
	start->flags |= PYMEM_START_EXTERNAL;
	start->flags &= ~(unsigned)(PYMEM_START_CONSISTENT | PYMEM_START_KEEP);
	if (h->result.injection.consistent)
		start->flags |= PYMEM_START_CONSISTENT;
	start->nonce = h->result.injection.nonce;
	start->control_fd = fd[0];
	start->stream_fd = fd[1];
	start->command_fd = fd[2] >= 0 ? fd[2] : fd[0];
	start->stack_addr = start->stack_size = 0;
	start->borrowed_tid = (uint32_t)c->task;
	start->stopped_ns = h->result.injection.stopped_ns;
}

/* For a target without a /proc: the text of its mappings, in memory of the copy. */
static int external_tell_maps(struct copy *c, struct pymem_start *start,
			      struct load_error *err)
{
	const uint64_t room = (uint64_t)16 << 20;
	int64_t ret;

	start->maps_addr = start->maps_size = 0;
	if (agent_image_has_proc(&c->tracee))
		return 0;
	if (remote_sys(&c->remote, &ret, err, SYS_mmap, 0, room, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, ~0ull, 0))
		return -1;
	if (ret > 0 && agent_image_reserve_maps(&c->tracee, start, (uint64_t)ret, room))
		agent_image_write_maps(&c->tracee, start);
	return 0;
}

/* Has the agent said something (its HELLO)? It is left for the loader to read. */
static bool external_agent_speaks(const struct helper *h)
{
	struct pollfd p = { h->fds[0], POLLIN, 0 };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLIN);
}

/* dlopen in the copy; its constructor walks and never returns. */
static int external_start_walk(struct copy *c, const char *path, struct load_error *err)
{
	struct helper *h = c->tracee.helper;
	const unsigned timeout = injection_call_ms(h->options);
	uint64_t deadline = clock_now() + timeout * 1000000ull, handle, arg[4];

	if (remote_dlopen_arguments(&c->remote, path, arg, err) ||
	    remote_call_start(&c->remote, h->target->calls.dlopen, arg, err))
		return -1;
	while (clock_now() < deadline) {
		int got =
			remote_call_poll(&c->remote, clock_now() + 1000000, &handle, err);

		if (external_agent_speaks(h))
			return 0; /* it may already be through, and have ended */
		if (got < 0)
			return -1;
		if (got)
			return handle ? load_fail(err, LOAD_E_CALL, 0,
						  "the agent came back from the copy "
						  "without a word") :
					remote_dlopen_failed(&c->remote, "the copy",
							     ERROR_MS, err);
	}
	return load_fail(err, LOAD_E_TIMEOUT, 0,
			 "the agent didn't start in the copy within %u ms", timeout);
}

/* For people who look at their processes. */
static int external_name_copy(struct copy *c, struct load_error *err)
{
	static const char name[] = ORPHANS_COPY_NAME;
	int64_t ret;
	uint64_t addr = c->remote.frame - 32; /* below the exit word: nobody's any more */

	if (!tracee_write(&c->tracee, addr, name, sizeof(name)))
		return 0;
	return remote_sys(&c->remote, &ret, err, SYS_prctl, PR_SET_NAME, addr);
}

static int external_prepare(struct copy *c, struct agent_image *image,
			    struct load_error *err)
{
	struct helper *h = c->tracee.helper;
	struct pymem_start start;

	if (external_name_copy(c, err))
		return -1;
	limits_lift(c->pid);
	external_volunteer_for_oom(c);
	if (helper_step(h, err, "copy: close descriptors") ||
	    external_close_inherited(c, err))
		return -1;
	if (helper_step(h, err, "copy: map the region") ||
	    remote_region_map(&c->remote, 0, COPY_STACK, err))
		return -1;
	if (helper_step(h, err, "copy: channels") ||
	    channels_open(&c->remote, c->pidfd, err))
		return -1;
	copy_state_free_loader(&c->remote);
	if (helper_step(h, err, "copy: GIL") || copy_state_take_gil(&c->remote, err))
		return -1;
	external_fill_copy_start(c, &start);
	if (external_tell_maps(c, &start, err))
		return -1;
	agent_image_configure(image, &start);
	if (helper_step(h, err, "copy: image") ||
	    agent_image_place(image, &c->remote, c->pidfd, err))
		return -1;
	if (helper_step(h, err, "copy: dlopen %s", image->path) ||
	    external_start_walk(c, image->path, err))
		return -1;
	return 0;
}

/* Ends the copy and collects it as its tracer; the target still has to reap it. */
static void external_kill_copy(struct copy *c)
{
	if (!c->tracee.ended) {
		int status = 0;

		kill(c->pid, SIGKILL);
		while (waitpid(c->pid, &status, __WALL) == c->pid && !WIFEXITED(status) &&
		       !WIFSIGNALED(status))
			;
		c->tracee.end_status = status;
		c->tracee.ended = true;
	}
	memory_close(&c->tracee.mem);
	if (c->pidfd >= 0)
		close(c->pidfd);
	c->pidfd = -1;
}

/* ---- the target ---- */

/* The stop: clone, let go. */
static int external_make_copy(struct helper *h, struct copy *c, struct load_error *err)
{
	struct tracee t;
	struct remote r;
	uint64_t word = 0;

	if (external_borrow_instant(h, c, &t, err))
		return -1;
	enum gil_state gil = gil_state(h->target, &t.mem);
	h->result.injection.consistent = gil == GIL_FREE;
	remote_init(&r, &t);
	int status = helper_step(h, err, "clone (GIL %s)", gil_state_name(gil));
	bool mapped = !status && !r.frame;
	if (mapped) /* no room on its stack: one of our own, for the moment */
		status = remote_region_map(&r, 0, REMOTE_REGION_CALL_STACK, err);
	uint64_t start = clock_now();
	if (!status)
		status = remote_clone(&r, &c->inner, &word, err);
	h->result.injection.fork_ns = clock_now() - start;
	struct load_error ignored;
	if (mapped && r.region && t.stopped && t.saved)
		remote_region_unmap(&r, &ignored);
	c->pid = t.clone_child;
	helper_step(h, NULL, "clone: let the target go");
	if (borrow_give_back(&t, status, err))
		return -1;
	c->task = agent_image_own_tid(&t);
	helper_log(h, "copy %d made, pause %.3f ms", t.clone_child,
		   (double)t.stopped_ns / 1e6);
	return helper_step(h, err, "copy: adopt") || external_adopt(c, h, &t, word, err) ?
		-1 :
		0;
}

/* The file of an agent that never ran in the copy. */
static int external_remove_file(struct remote *r, struct agent_image *image,
				struct load_error *err)
{
	int status = 0;

	image->remote_fd = -1; /* it went with the copy */
	if (image->placed && !r->region)
		status = remote_region_map(r, 0, REMOTE_REGION_CALL_STACK, err);
	if (!status && image->placed)
		status = agent_image_remove(image, r, err);
	if (!status && r->region)
		status = remote_region_unmap(r, err);
	return status;
}

/* Has the application's process reap the dead copy, by a wait4 of its own. */
static int external_reap_copy(struct helper *h, const struct copy *c,
			      struct agent_image *image, struct load_error *err)
{
	struct borrow borrow = { .judge = safepoint_syscall,
				 .permit = external_permit_calls,
				 .stopped_too = true };
	struct tracee t;
	struct remote r;
	int64_t ret = 0;

	if (borrow_thread(h, &borrow, &t, err))
		return target_gone(h->target) ? 0 : -1;
	remote_init(&r, &t);
	int status = helper_step(h, err, "reap the copy");
	if (!status)
		status = remote_sys(&r, &ret, err, SYS_wait4, (uint64_t)c->inner, 0,
				    __WCLONE | WNOHANG, 0);
	if (!status && ret != c->inner && ret != -ECHILD)
		status =
			load_fail(err, LOAD_E_SYSTEM, (int)-ret,
				  "the copy (process %d) could not be reaped: %s", c->pid,
				  ret < 0 ? strerror((int)-ret) : "it hasn't ended");
	if (!status)
		status = external_remove_file(&r, image, err);
	return borrow_give_back(&t, status, err);
}

/* ---- the whole ---- */

/* The copy runs by itself; signals are its own. Until it ends or we are told to. */
static void external_attend(struct helper *h, struct copy *c)
{
	c->tracee.pass_signals = true;
	if (c->tracee.stopped)
		tracee_resume(&c->tracee, PTRACE_CONT);
	while (!helper_abandoned(h)) {
		enum tracee_event event = tracee_wait(&c->tracee, clock_now() + POLL_NS);

		if (event == TRACEE_ENDED)
			return;
		if (event != TRACEE_TIMEOUT && tracee_resume(&c->tracee, PTRACE_CONT))
			return;
	}
	helper_log(h, "ending the copy");
}

static void external_drop_channels(struct helper *h)
{
	for (int i = 0; i < 3; i++) {
		if (h->fds[i] >= 0)
			close(h->fds[i]);
		h->fds[i] = -1;
	}
}

static int external_one_attempt(struct helper *h, struct copy *c,
				struct agent_image *image, struct load_error *err)
{
	*c = (struct copy){ .pidfd = -1 };
	c->tracee.mem = MEMORY_CLOSED;
	int status = external_make_copy(h, c, err);
	if (!status)
		status = external_prepare(c, image, err);
	if (!status) {
		agent_image_loaded(image);
		return 0;
	}
	external_drop_channels(h);
	if (c->pid) {
		struct load_error reap;

		external_kill_copy(c);
		external_reap_copy(h, c, image, &reap);
	}
	return -1;
}

int external_run(struct helper *h, struct load_error *err)
{
	const struct method_input *plan = h->input;
	struct copy copy;
	int status = -1;

	for (int i = 0; status && i < ATTEMPTS && !helper_abandoned(h); i++) {
		*err = (struct load_error){ 0 };
		status = external_one_attempt(h, &copy, plan->image, err);
		if (status && err->code != LOAD_E_CALL && err->code != LOAD_E_TIMEOUT &&
		    copy.pid == 0)
			break;
		if (status)
			helper_log(h, "attempt %d: %s", i + 1, err->text);
	}
	if (status)
		return -1;
	h->result.injection.copy_pid = copy.pid;
	h->result.status = 0;
	helper_send(h);
	external_drop_channels(h); /* the loader has them now */
	external_attend(h, &copy);
	external_kill_copy(&copy);
	h->result.copy_ended = true;
	h->result.copy_status = copy.tracee.end_status;
	return external_reap_copy(h, &copy, plan->image, err);
}
