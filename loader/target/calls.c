/* SPDX-License-Identifier: MIT */
/*
 * calls - see calls.h.
 *
 * glibc's dynamic loader keeps its recursive locks (_dl_load_lock, and beside it
 * _dl_load_write_lock and, since 2.35, _dl_load_tls_lock) in the exported
 * structure _rtld_global (sysdeps/generic/ldsodefs.h).  Their offsets differ
 * between versions, but two or three consecutive pthread_mutex_t whose kind is
 * PTHREAD_MUTEX_RECURSIVE_NP occur nowhere else in it.  Where they can't be
 * found, the safe-point test looks for dynamic-loader frames instead.
 *
 * glibc's malloc has static parts (_int_malloc, sysmalloc...) in the same object
 * file as its exports: the range of the exports, widened, covers them.  The
 * same goes for the thread creation code, whose stack cache lock the agent's
 * pthread_create needs.
 */
#include "loader/target/calls.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "loader/cpu/code.h"
#include "loader/cpu/cpu.h"
#include "loader/target/memory.h"

#define RTLD_GLOBAL_MAX 65536
#define CODE_MAX ((uint64_t)16 << 20)

bool calls_is_agent_path(const char *path)
{
	return !strcmp(path, "/memfd:" CALLS_AGENT_NAME) ||
		strstr(path, "/.pymem-agent-");
}

static uint64_t calls_in_any(const struct target *t, const char *name)
{
	uint64_t addr = 0;

	for (int i = 0; !addr && i < t->module_count; i++)
		if (t->modules[i].kind != MODULE_OTHER &&
		    t->modules[i].kind != MODULE_EXE)
			addr = elf_module_address(&t->modules[i].elf, name);
	return addr;
}

static void calls_find_dlopen(struct target *t)
{
	struct target_calls *c = &t->calls;

	c->dlopen = calls_in_any(t, "dlopen");
	c->dlclose = calls_in_any(t, "dlclose");
	c->dlerror = calls_in_any(t, "dlerror");
	if (!c->dlopen) { /* glibc before 2.34 without libdl */
		c->dlopen = calls_in_any(t, "__libc_dlopen_mode");
		c->dlclose = calls_in_any(t, "__libc_dlclose");
		c->internal_dlopen = c->dlopen != 0;
	}
	c->exit = calls_in_any(t, "_exit");
	c->errno_location = calls_in_any(t, "__errno_location");
	if (!c->errno_location)
		c->errno_location = calls_in_any(t, "___errno_location");
}

static uint8_t *calls_read_code(const struct target *t, struct range r, size_t *size)
{
	if (r.end <= r.start || r.end - r.start > CODE_MAX)
		return NULL;
	uint8_t *code = malloc((size_t)(r.end - r.start));
	*size = code ?
		memory_read_some(&t->mem, r.start, code, (size_t)(r.end - r.start)) :
		0;
	if (code && !*size) {
		free(code);
		return NULL;
	}
	return code;
}

static void calls_find_gadgets(struct target *t, const uint8_t *code, size_t size,
			       uint64_t base)
{
	struct target_calls *c = &t->calls;
	size_t at = c->gadget ? (size_t)-1 : code_find_gadget(code, size);

	if (at != (size_t)-1)
		c->gadget = base + at;
	for (at = 0; c->restorer_count < TARGET_RESTORERS; at++) {
		at = code_find_restorer(code, size, at);
		if (at == (size_t)-1)
			break;
		c->restorers[c->restorer_count++] = base + at;
	}
}

/* The kernel's own signal restorer, where the C library has none. */
static void calls_scan_vdso(struct target *t)
{
	size_t size;
	uint8_t *code = calls_read_code(t, t->vdso, &size);

	for (size_t at = 0; code && t->calls.restorer_count < TARGET_RESTORERS; at++) {
		at = code_find_restorer(code, size, at);
		if (at == (size_t)-1)
			break;
		t->calls.restorers[t->calls.restorer_count++] = t->vdso.start + at;
	}
	free(code);
}

/* Each C library module may have its own signal restorer. */
static void calls_scan_code(struct target *t)
{
	for (int i = 0; i < t->module_count; i++) {
		const struct module *m = &t->modules[i];

		if (m->kind != MODULE_LIBC && m->kind != MODULE_LDSO &&
		    m->kind != MODULE_LIBPTHREAD)
			continue;
		size_t size;
		uint8_t *code = calls_read_code(t, m->text, &size);
		if (!code)
			continue;
		calls_find_gadgets(t, code, size, m->text.start);
		if (m == t->libc) {
			t->code = code;
			t->code_range =
				(struct range){ m->text.start, m->text.start + size };
		} else {
			free(code);
		}
	}
	calls_scan_vdso(t);
	struct target_calls *c = &t->calls;
	for (int i = 0; i < c->restorer_count && !c->restorer; i++)
		if (range_has(t->libc->text, c->restorers[i]))
			c->restorer = c->restorers[i];
	if (!c->restorer && c->restorer_count)
		c->restorer = c->restorers[0];
}

/* The target's pthread_mutex_t: glibc's of 64 bits (sysdeps/nptl/bits/struct_mutex.h;
 * where spins are 16 bits, unused here, another field fills their word).  The one that
 * this program is linked with may be musl's. */
struct calls_mutex {
	int32_t lock;
	uint32_t count;
	int32_t owner;
	uint32_t nusers;
	int32_t kind, spins;
	uint64_t prev, next;
};

static bool calls_is_recursive_mutex(const uint8_t *p)
{
	enum { RECURSIVE = 1 }; /* PTHREAD_MUTEX_RECURSIVE_NP */
	struct calls_mutex m;

	assert(sizeof(m) <= cpu_mutex_bytes);
	memcpy(&m, p, sizeof(m));
	return m.kind == RECURSIVE && !m.prev && !m.next && (uint32_t)m.lock <= 2 &&
		m.count < 1000 && m.nusers <= 1;
}

static void calls_find_loader_locks(struct target *t)
{
	struct elf_symbol s;

	if (!elf_module_symbol(&t->ldso->elf, "_rtld_global", &s) ||
	    s.size > RTLD_GLOBAL_MAX)
		return;
	uint8_t *copy = malloc(s.size + 1);
	const size_t step = cpu_mutex_bytes;
	if (copy && memory_read(&t->mem, s.addr, copy, s.size)) {
		for (size_t at = 0; at + 2 * step <= s.size; at += 8) {
			size_t run = 0;

			while (run < 4 && at + (run + 1) * step <= s.size &&
			       calls_is_recursive_mutex(copy + at + run * step))
				run++;
			if (run < 2)
				continue;
			for (size_t i = 0; i < run; i++)
				t->calls.loader_locks[i] = s.addr + at + i * step;
			t->calls.loader_lock_count = (int)run;
			break;
		}
	}
	free(copy);
}

pid_t calls_loader_busy(const struct target *t, const struct memory *mem)
{
	for (int i = 0; i < t->calls.loader_lock_count; i++) {
		struct calls_mutex m;

		if (memory_read(mem, t->calls.loader_locks[i], &m, sizeof(m)) && m.lock)
			return m.owner ? m.owner : -1;
	}
	return 0;
}

static void calls_add_unsafe(struct target *t, uint64_t start, uint64_t end)
{
	if (start && end > start && t->calls.unsafe_count < TARGET_UNSAFE)
		t->calls.unsafe[t->calls.unsafe_count++] = (struct range){ start, end };
}

/* From the first to the last of these exports, and what lies around them; or {0}. */
static struct range calls_range_of(const struct module *m, const char *const *names,
				   uint64_t below, uint64_t above)
{
	uint64_t low = UINT64_MAX, high = 0;

	for (; *names; names++) {
		struct elf_symbol s;

		if (!elf_module_symbol(&m->elf, *names, &s) ||
		    !range_has(m->text, s.addr))
			continue;
		low = s.addr < low ? s.addr : low;
		high = s.addr + s.size > high ? s.addr + s.size : high;
	}
	return high ? (struct range){ low - below, high + above } : (struct range){ 0 };
}

/* The allocator of one module, by its exports. */
static void calls_add_malloc_range(struct target *t, const struct module *m)
{
	static const char *const names[] = { "malloc",	       "free",
					     "calloc",	       "realloc",
					     "memalign",       "aligned_alloc",
					     "valloc",	       "pvalloc",
					     "posix_memalign", "malloc_usable_size",
					     "malloc_trim",    NULL };
	const struct range code = calls_range_of(m, names, 16384, 4096);

	calls_add_unsafe(t, code.start, code.end);
}

/* musl's loader is a file of its C library (ldso/dynlink.c; its lock has no name). */
static void calls_find_loader_code(struct target *t)
{
	static const char *const names[] = { "_dl_debug_state", "dlopen", "dladdr",
					     "dl_iterate_phdr", NULL };

	t->calls.loader_code = t->libc_kind == LIBC_MUSL ?
		calls_range_of(t->ldso, names, 0, 1024) :
		t->ldso->text;
}

bool calls_waits_cancellable(const struct target *t, uint64_t pc)
{
	return t->libc_kind == LIBC_MUSL && t->code && range_has(t->code_range, pc) &&
		code_after_cancellable(t->code,
				       (size_t)(t->code_range.end - t->code_range.start),
				       (size_t)(pc - t->code_range.start));
}

static void calls_find_unsafe(struct target *t)
{
	calls_add_malloc_range(t, t->libc);
	for (int i = 0; i < t->module_count; i++) {
		const struct module *m = &t->modules[i];
		struct elf_symbol s;

		/* static functions of its file lie around it: start_thread's end frees
		 * the stack under the stack cache's lock */
		if ((m->kind == MODULE_LIBC || m->kind == MODULE_LIBPTHREAD) &&
		    elf_module_symbol(&m->elf, "pthread_create", &s))
			calls_add_unsafe(t, s.addr - 8192, s.addr + s.size + 1024);
		if (m->allocator)
			calls_add_unsafe(t, m->text.start, m->text.end);
	}
}

static void calls_find_kept_agent(struct target *t)
{
	const struct module *kept = NULL;

	for (int i = 0; i < t->module_count; i++)
		if (calls_is_agent_path(t->modules[i].path))
			kept = &t->modules[i];
	if (!kept)
		return;
	struct target_calls *c = &t->calls;
	c->kept_start = elf_module_address(&kept->elf, "pymem_agent_start");
	c->kept = (struct range){ kept->elf.base, kept->elf.end };
	uint64_t map = 0, ld, next;
	if (!t->exe || !t->exe->elf.debug ||
	    !memory_read_u64(&t->mem, t->exe->elf.debug + 8, &map)) /* r_debug.r_map */
		return;
	/* struct link_map: l_addr, l_name, l_ld, l_next, l_prev (link.h) */
	for (int i = 0; map && i < MODULE_LIMIT; i++, map = next) {
		if (!memory_read_u64(&t->mem, map + 16, &ld) ||
		    !memory_read_u64(&t->mem, map + 24, &next))
			return;
		if (ld == kept->elf.dynamic) {
			c->kept_handle = map;
			return;
		}
	}
}

int calls_find(struct target *t, struct load_error *err)
{
	calls_find_dlopen(t);
	calls_scan_code(t);
	if (t->libc_kind == LIBC_GLIBC)
		calls_find_loader_locks(t);
	calls_find_loader_code(t);
	calls_find_unsafe(t);
	calls_find_kept_agent(t);
	if (!t->calls.dlopen)
		return load_fail(
			err, LOAD_E_UNSUPPORTED, 0,
			"the C library of process %d has no dlopen that can be called",
			t->pid);
	if (!t->calls.gadget || !t->calls.restorer || !t->code)
		return load_fail(err, LOAD_E_UNSUPPORTED, 0,
				 "the code of process %d's C library can't be read or "
				 "isn't understood",
				 t->pid);
	return 0;
}
