/* SPDX-License-Identifier: MIT */
/* remote_region - see remote_region.h. */
#include "loader/inject/remote_region.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loader/inject/remote_run.h"
#include "loader/target/limits.h"

/* A result that is an error of the target's kernel, told in words. */
static int remote_region_check(const struct remote *r, int64_t result, const char *what,
			       struct load_error *err)
{
	char limits[200] = "";

	if (result >= 0 || result < -4095)
		return 0;
	if (result == -ENOMEM)
		limits_words(r->tracee->helper->target->pid, limits, sizeof(limits));
	return load_fail(err, LOAD_E_CALL, (int)-result,
			 "%s failed in the target: %s%s%s", what, strerror((int)-result),
			 *limits ? ": " : "", limits);
}

/* Nothing depends on them but how an overflow of the worker's stack would end. */
static int remote_region_protect_guards(struct remote *r, uint64_t page,
					struct load_error *err)
{
	const uint64_t guard[2] = { r->region, r->worker + r->worker_size };

	for (int i = 0; i < (r->worker_size ? 2 : 1); i++) {
		const struct cpu_op op = { SYS_mprotect,
					   { guard[i], page, PROT_NONE },
					   0 };

		if (remote_run_later(r, &op, err))
			return -1;
	}
	return 0;
}

static int remote_region_map_stub(struct remote *r, uint64_t stub, uint64_t page,
				  struct load_error *err)
{
	int64_t ret;
	size_t size, marker;
	const uint8_t *code = cpu_stub(&size, &marker);

	if (remote_sys(r, &ret, err, SYS_mmap, stub, page, PROT_READ | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~0ull, 0) ||
	    remote_region_check(r, ret, "mapping executable memory", err))
		return -1;
	if (!tracee_poke(r->tracee, stub, code, size))
		return load_fail(err, LOAD_E_SYSTEM, errno,
				 "the call stub could not be written: %s",
				 strerror(errno));
	r->stub = stub;
	return 0;
}

/* Where the parts of a mapped region are; its stub may not be there yet. */
static uint64_t remote_region_lay_out(struct remote *r, uint64_t region,
				      uint64_t worker_size, uint64_t call_size)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	r->region = region;
	r->worker = worker_size ? region + page : region;
	r->worker_size = worker_size;
	uint64_t call_part = worker_size ? r->worker + worker_size + page : region;
	uint64_t stub = call_part + call_size + (worker_size ? 0 : page);
	r->region_size = stub + page - region;
	r->bottom = stub - call_size / 2;
	r->top = stub;
	return stub;
}

static void remote_region_need_frame(struct remote *r)
{
	if (r->frame)
		return; /* else our own stack holds it from here on */
	remote_place_frame(r, r->top);
	r->top = r->frame ? r->frame : r->top;
}

int remote_region_map(struct remote *r, uint64_t worker_size, uint64_t call_size,
		      struct load_error *err)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t size = remote_region_lay_out(r, 0, worker_size, call_size) + page;
	int64_t ret;

	assert(!r->region && call_size >= 2 * CPU_STUB_MAX);
	r->region = r->region_size = 0;
	if (remote_sys(r, &ret, err, SYS_mmap, 0, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, ~0ull, 0) ||
	    remote_region_check(r, ret, "mmap", err))
		return -1;
	uint64_t stub = remote_region_lay_out(r, (uint64_t)ret, worker_size, call_size);
	remote_region_need_frame(r);
	return remote_region_map_stub(r, stub, page, err) ||
			remote_region_protect_guards(r, page, err) ?
		-1 :
		0;
}

bool remote_region_adopt(struct remote *r, uint64_t region, uint64_t size)
{
	uint8_t there[CPU_STUB_MAX];
	size_t code_size, marker;
	const uint8_t *code = cpu_stub(&code_size, &marker);
	uint64_t stub = remote_region_lay_out(r, region, REMOTE_REGION_WORKER_STACK,
					      REMOTE_REGION_CALL_STACK);

	if (r->region_size != size || !tracee_read(r->tracee, stub, there, code_size) ||
	    memcmp(there, code, code_size)) {
		r->region = r->region_size = r->worker_size = 0;
		return false;
	}
	r->stub = stub;
	remote_region_need_frame(r);
	return true;
}

int remote_region_unmap(struct remote *r, struct load_error *err)
{
	int64_t ret;

	if (!r->region)
		return 0;
	if (r->frame - r->region < r->region_size)
		r->frame = 0; /* the pages under it go: the window is this one call */
	if (remote_sys(r, &ret, err, SYS_munmap, r->region, r->region_size) ||
	    remote_region_check(r, ret, "munmap", err))
		return -1;
	r->region = r->region_size = r->stub = 0;
	return 0;
}
