/* SPDX-License-Identifier: MIT */
/*
 * agent_method - see agent_method.h.
 *
 * The stop, in order: emergency frame; region; channels; image; dlopen (whose
 * constructor starts the worker and returns), memfd closed; registers back; detach.
 * The region stays until the agent is taken out, which needs its stack and stub.
 * A failure on the way is undone in reverse, unless the target ended or a call didn't
 * return: then the thread finishes by itself and goes back through the emergency
 * frame.
 */
#include "loader/inject/agent_method.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "loader/base/clock.h"
#include "loader/inject/borrow.h"
#include "loader/inject/channels.h"
#include "loader/inject/allowed.h"
#include "loader/inject/remote_call.h"
#include "loader/inject/remote_dlopen.h"
#include "loader/inject/remote_region.h"
#include "loader/inject/remote_run.h"
#include "loader/target/calls.h"

/* The memfd, if it's one, is closed in the same go. */
static int agent_method_call_dlopen(struct remote *r, struct agent_image *image,
				    uint64_t *handle, struct load_error *err)
{
	struct helper *h = r->tracee->helper;
	const struct target_calls *c = &h->target->calls;
	const bool memfd = image->remote_fd >= 0;
	struct cpu_op close_it = { SYS_close, { (uint64_t)image->remote_fd }, 0 };
	uint64_t arg[4];

	if (remote_dlopen_arguments(r, image->path, arg, err) ||
	    remote_run(r, c->dlopen, arg, &close_it, memfd, injection_call_ms(h->options),
		       handle, err))
		return -1;
	image->remote_fd = -1;
	if (!*handle)
		return remote_dlopen_failed(r, "the target",
					    injection_call_ms(h->options), err);
	agent_image_loaded(image);
	return 0;
}

static int agent_method_start_kept(struct remote *r, const struct pymem_start *start,
				   struct load_error *err)
{
	struct helper *h = r->tracee->helper;
	uint64_t addr = remote_push(r, start, sizeof(*start)), ret;

	if (!addr)
		return load_fail(err, LOAD_E_SYSTEM, errno,
				 "the target can't be written to");
	const uint64_t arg[4] = { addr };
	if (remote_call(r, h->target->calls.kept_start, arg,
			injection_call_ms(h->options), &ret, err))
		return -1;
	int result = (int)ret;
	h->result.injection.reused = true;
	h->result.injection.handle = h->target->calls.kept_handle;
	if (result == -EBUSY)
		return load_fail(err, LOAD_E_BUSY, EBUSY,
				 "another capture of process %d is running",
				 h->target->pid);
	if (result == -EPROTO)
		return load_fail(err, LOAD_E_UNSUPPORTED, EPROTO,
				 "process %d still holds an agent of another pymem "
				 "version, which that version has to take out",
				 h->target->pid);
	if (result)
		return load_fail(err, LOAD_E_CALL, -result,
				 "the agent could not start: %s", strerror(-result));
	return 0;
}

static void agent_method_fill_start(struct remote *r, struct pymem_start *start)
{
	struct helper *h = r->tracee->helper;
	const int32_t *fd = h->result.remote_fd;

	*start = h->options->start;
	start->nonce = h->result.injection.nonce;
	start->control_fd = fd[0];
	start->stream_fd = fd[1];
	start->command_fd = fd[2] >= 0 ? fd[2] : fd[0];
	/* the lowest page carries ORPHANS_MARK */
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE),
		 taken = agent_image_reserve_maps(r->tracee, start, r->worker + page,
						  r->worker_size / 2);
	start->stack_addr = r->worker + (taken ? page + taken : 0);
	start->stack_size = r->worker_size - (start->stack_addr - r->worker);
	start->tid_addr = orphans_thread_word(r);
	start->borrowed_tid = (uint32_t)agent_image_own_tid(r->tracee);
	start->stopped_ns = clock_now() - r->tracee->stopped_at;
	memcpy(start->magic, PYMEM_START_MAGIC, sizeof(start->magic));
	start->version = PYMEM_START_VERSION;
	start->size = sizeof(*start);
	start->configured = 1;
}

/* Everything between the stop and the agent's start. */
static int agent_method_bring_in(struct remote *r, struct agent_image *image,
				 struct load_error *err)
{
	struct helper *h = r->tracee->helper;
	struct pymem_start start;

	if (helper_step(h, err, "frame") || helper_step(h, err, "map the region") ||
	    remote_region_map(r, REMOTE_REGION_WORKER_STACK, REMOTE_REGION_CALL_STACK,
			      err))
		return -1;
	orphans_mark(r);
	if (helper_step(h, err, "channels") || channels_open(r, h->target->pidfd, err))
		return -1;
	agent_method_fill_start(r, &start);
	if (h->target->calls.kept_start) {
		agent_image_write_maps(r->tracee, &start);
		return helper_step(h, err, "start the kept agent") ||
				agent_method_start_kept(r, &start, err) ?
			-1 :
			0;
	}
	agent_image_configure(image, &start);
	if (helper_step(h, err, "image") ||
	    agent_image_place(image, r, h->target->pidfd, err))
		return -1;
	uint64_t handle;
	if (helper_step(h, err, "dlopen %s", image->path) ||
	    agent_method_call_dlopen(r, image, &handle, err))
		return -1;
	h->result.injection.handle = handle;
	agent_image_write_maps(r->tracee, &start);
	return 0;
}

/* Is the thread where more system calls can be made in it? */
static bool agent_method_usable(const struct tracee *t, const struct load_error *err)
{
	return t->attached && t->stopped && t->saved && !t->ended &&
		err->code != LOAD_E_TIMEOUT && err->code != LOAD_E_GONE;
}

static void agent_method_undo(struct remote *r, struct agent_image *image)
{
	struct helper *h = r->tracee->helper;
	struct load_error ignored = { 0 };

	helper_log(h, "undoing");
	remote_run_flush(r, &ignored);
	if (image && !ignored.code)
		agent_image_remove(image, r, &ignored);
	if (!ignored.code)
		channels_close_remote(r, &h->result, &ignored);
	if (!ignored.code)
		remote_region_unmap(r, &ignored);
	if (!ignored.code)
		h->result.region = h->result.region_size = 0;
}

/* borrow_permit; context: the image, NULL if nothing is started */
static int agent_method_permit(struct tracee *t, void *context, struct load_error *err)
{
	return allowed_agent(t, context, err);
}

int agent_method_load(struct helper *h, struct load_error *err)
{
	const struct method_input *plan = h->input;
	struct borrow borrow = { .judge = safepoint_call,
				 .permit = agent_method_permit,
				 .context = plan->image,
				 .allocates = true,
				 .cancellable = true };
	struct tracee t;
	struct remote r;

	if (!h->target->calls.kept_start &&
	    target_find_agent(h->target->pid, h->target->process.live_tid, NULL))
		return load_fail(
			err, LOAD_E_BUSY, EBUSY,
			"another pymem-load is loading its agent into process %d",
			h->target->pid);
	if (orphans_await(plan->orphans, h, err) || borrow_thread(h, &borrow, &t, err))
		return -1;
	h->result.injection.stopped_ns = borrow.stopped_ns;
	remote_init(&r, &t);
	int status = orphans_remove(plan->orphans, &r, err);
	if (!status)
		status = agent_method_bring_in(&r, plan->image, err);
	if (status && agent_method_usable(&t, err))
		agent_method_undo(&r, plan->image);
	else if (!status) /* the rest of the region serves when we come back */
		h->result.injection.worker_tid = orphans_thread(&r);
	h->result.region = r.region;
	h->result.region_size = r.region_size;
	h->result.injection.stack_addr = r.region;
	h->result.injection.stack_size = r.region_size;
	return borrow_give_back(&t, status, err);
}

static int agent_method_close_library(struct remote *r, uint64_t handle,
				      struct load_error *err)
{
	struct helper *h = r->tracee->helper;
	const uint64_t arg[4] = { handle };
	uint64_t ret;

	if (!r->region &&
	    (helper_step(h, err, "map the region") ||
	     remote_region_map(r, 0, REMOTE_REGION_CALL_STACK, err)))
		return -1;
	if (helper_step(h, err, "dlclose") ||
	    remote_call(r, h->target->calls.dlclose, arg, injection_call_ms(h->options),
			&ret, err))
		return -1;
	return (int)ret ? load_fail(err, LOAD_E_CALL, 0, "dlclose of the agent failed") :
			  0;
}

/* The region of the capture, if it could not be used for the call. */
static int agent_method_unmap_worker(struct remote *r, const struct method_input *plan,
				     struct load_error *err)
{
	int64_t ret;

	helper_step(r->tracee->helper, NULL, "unmap the worker's stack");
	return remote_sys(r, &ret, err, SYS_munmap, plan->region, plan->region_size);
}

/* Every part is tried, whatever became of the others; the first error is told. */
static int agent_method_take_out(struct remote *r, const struct method_input *plan,
				 struct load_error *err)
{
	struct load_error part[5] = { 0 };

	if (plan->orphans)
		orphans_remove(plan->orphans, r, &part[0]);
	const bool adopted = plan->region_size &&
		remote_region_adopt(r, plan->region, plan->region_size);
	if (adopted)
		orphans_note_borrowed(r);
	if (plan->handle && agent_method_usable(r->tracee, &part[0]))
		agent_method_close_library(r, plan->handle, &part[1]);
	if (plan->ends && agent_method_usable(r->tracee, &part[1]))
		channels_close_remote(r, plan->ends, &part[2]);
	if (plan->region_size && !adopted && agent_method_usable(r->tracee, &part[1]))
		agent_method_unmap_worker(r, plan, &part[3]);
	if (agent_method_usable(r->tracee, &part[1])) {
		helper_step(r->tracee->helper, NULL, "unmap the region");
		remote_region_unmap(r, &part[4]);
	}
	for (int i = 0; i < 5 && !err->code; i++)
		*err = part[i];
	return err->code ? -1 : 0;
}

/* borrow_permit; it may have got a filter since */
static int agent_method_permit_removal(struct tracee *t, void *context,
				       struct load_error *err)
{
	(void)context;
	return allowed_removal(t, err);
}

int agent_method_eject(struct helper *h, struct load_error *err)
{
	const struct method_input *plan = h->input;
	struct borrow borrow = { .judge = plan->handle ? safepoint_call :
							 safepoint_syscall,
				 .permit = agent_method_permit_removal,
				 .allocates = plan->handle != 0,
				 .stopped_too = !plan->handle };
	struct tracee t;
	struct remote r;

	if (orphans_await(plan->orphans, h, err) || borrow_thread(h, &borrow, &t, err))
		return -1;
	h->result.injection.stopped_ns = borrow.stopped_ns;
	remote_init(&r, &t);
	int status = agent_method_take_out(&r, plan, err);
	return borrow_give_back(&t, status, err);
}
