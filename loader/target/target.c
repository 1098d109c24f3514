/* SPDX-License-Identifier: MIT */
/*
 * target - see target.h.
 *
 * Modules are found in the map (a file mapped from its offset 0 with an ELF
 * header), the program and its dynamic loader by the auxiliary vector
 * (AT_ENTRY, AT_BASE), the C library by what it exports.
 */
#include "loader/target/target.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "loader/cpu/machine.h"
#include "loader/target/calls.h"
#include "loader/target/diagnose.h"
#include "loader/target/initial_stack.h"
#include "loader/target/memory.h"
#include "loader/target/python.h"
#include "loader/target/seccomp.h"

enum {
	TARGET_SAMPLES = 16, /* mappings that are tried */
	TARGET_TRIES = 50,   /* for a program that is starting */
	TARGET_STEP_MS = 10,
};

/* Executable mappings of the module that starts at maps.list[index]. */
static struct range target_text_of(const struct target *t, size_t index, uint64_t end)
{
	struct range text = { 0, 0 };
	const struct map *first = &t->maps.list[index];

	for (size_t i = index; i < t->maps.count && t->maps.list[i].start < end; i++) {
		const struct map *m = &t->maps.list[i];

		if (!m->x || m->inode != first->inode || m->dev != first->dev)
			continue;
		if (!text.start)
			text.start = m->start;
		text.end = m->end;
	}
	return text;
}

static bool target_add_module(struct target *t, size_t index)
{
	const struct map *m = &t->maps.list[index];
	struct elf elf;

	if (m->offset || !m->inode || !m->r || m->path[0] != '/' ||
	    t->module_count == MODULE_LIMIT || !elf_module_open(&t->mem, m->start, &elf))
		return true;
	if (machine_is_other(elf.machine)) {
		if (python_is_named(m->path))
			t->emulated = elf.machine;
		return true;
	}
	struct range text = target_text_of(t, index, elf.end);
	if (!text.start)
		return true; /* mapped as data: a file somebody reads */
	if (!(t->module_count & (t->module_count + 1))) {
		size_t room = (size_t)t->module_count * 2 + 2;
		struct module *more = realloc(t->modules, room * sizeof(*more));

		if (!more)
			return false;
		t->modules = more;
	}
	t->modules[t->module_count++] =
		(struct module){ .elf = elf, .text = text, .path = m->path };
	return true;
}

static bool target_is_loader_name(const char *name)
{
	return !strncmp(name, "ld-linux", 8) || !strncmp(name, "ld64.so", 7) ||
		!strncmp(name, "ld.so", 5) || !strncmp(name, "ld-2.", 5) ||
		!strncmp(name, "ld-musl", 7);
}

static void target_classify(struct target *t, struct module *m, uint64_t entry,
			    uint64_t interp)
{
	const char *name = strrchr(m->path, '/') + 1;

	if (!interp && target_is_loader_name(m->elf.soname[0] ? m->elf.soname : name))
		interp = m->elf.base; /* started as `ld.so program` */
	if (m->elf.base == interp) {
		m->kind = MODULE_LDSO;
		t->ldso = m;
	} else if (entry >= m->elf.base && entry < m->elf.end) {
		m->kind = MODULE_EXE;
		t->exe = m;
	} else if (!strcmp(m->elf.soname, "libc.so.6") &&
		   elf_module_address(&m->elf, "gnu_get_libc_version")) {
		m->kind = MODULE_LIBC;
		t->libc = m;
		t->libc_kind = LIBC_GLIBC;
	} else if (!strcmp(m->elf.soname, "libdl.so.2")) {
		m->kind = MODULE_LIBDL;
	} else if (!strcmp(m->elf.soname, "libpthread.so.0")) {
		m->kind = MODULE_LIBPTHREAD;
	}
	m->allocator = m->kind != MODULE_LDSO && m->kind != MODULE_LIBC &&
		elf_module_address(&m->elf, "malloc") &&
		elf_module_address(&m->elf, "free");
}

static int target_find_modules(struct target *t, struct load_error *err)
{
	for (size_t i = 0; i < t->maps.count; i++)
		if (!target_add_module(t, i))
			return load_fail(err, LOAD_E_SYSTEM, ENOMEM, "out of memory");
	const pid_t tid = t->process.live_tid;
	const uint64_t entry = initial_stack_auxv(t->pid, tid, &t->mem, AT_ENTRY),
		       interp = initial_stack_auxv(t->pid, tid, &t->mem, AT_BASE);
	for (int i = 0; i < t->module_count; i++)
		target_classify(t, &t->modules[i], entry, interp);
	if (!t->libc && t->ldso && elf_module_address(&t->ldso->elf, "dlopen") &&
	    elf_module_address(&t->ldso->elf, "malloc")) {
		t->libc = t->ldso; /* musl: both in one */
		t->libc_kind = LIBC_MUSL;
	}
	/* a static program has no interpreter; before entry is told, none is there;
	 * another processor's libraries aren't among the modules */
	t->starting = !t->libc && !t->emulated && (interp || !entry);
	const struct map *vdso = maps_named(&t->maps, "[vdso]");
	if (vdso)
		t->vdso = (struct range){ vdso->start, vdso->end };
	return 0;
}

/* Class byte in the ELF header of the program that is mapped; 0 = unreadable. */
static int target_class(const struct target *t)
{
	unsigned char ident[EI_NIDENT];
	size_t code = 0;

	while (code < t->maps.count &&
	       !(t->maps.list[code].x && t->maps.list[code].inode))
		code++;
	for (size_t i = 0; i < code + 1 && code < t->maps.count; i++) {
		const struct map *m = &t->maps.list[i];

		if (m->inode == t->maps.list[code].inode &&
		    m->dev == t->maps.list[code].dev && !m->offset &&
		    memory_read(&t->mem, m->start, ident, sizeof(ident)))
			return memcmp(ident, ELFMAG, SELFMAG) ? 0 : ident[EI_CLASS];
	}
	return 0;
}

static int target_check_kind(const struct target *t, bool any_process,
			     struct load_error *err)
{
	char remedy[96];

	if (diagnose_vfork_child(&t->process))
		return load_fail(
			err, LOAD_E_STATE, 0,
			"process %d has been made by vfork and still uses the memory of "
			"process %d: capture that one, or wait until it has started its "
			"program",
			t->pid, t->process.ppid);
	if (target_class(t) == ELFCLASS32)
		return load_fail(
			err, LOAD_E_UNSUPPORTED, 0,
			"process %d is a 32-bit program; only 64-bit ones are supported",
			t->pid);
	if (!t->python.found && t->emulated && !any_process)
		return load_fail(
			err, LOAD_E_UNSUPPORTED, 0,
			"process %d (%s) emulates another processor, and CPython "
			"runs on that: %s, where that processor is a real one",
			t->pid, t->process.comm, machine_remedy(t->emulated, remedy));
	if (t->starting)
		return load_fail(
			err, LOAD_E_STATE, 0,
			"process %d (%s) has no C library: if it is starting its "
			"program, try again; else nothing can be loaded into it",
			t->pid, t->process.comm);
	if (!t->python.found && !any_process)
		return load_fail(err, LOAD_E_NOT_PYTHON, 0,
				 "process %d (%s) doesn't run CPython: %s", t->pid,
				 t->process.comm, python_absence(t));
	if (!t->ldso || !t->libc)
		return load_fail(err, LOAD_E_UNSUPPORTED, 0,
				 "process %d is statically linked: without a dynamic "
				 "loader nothing can be loaded into it",
				 t->pid);
	return 0;
}

/* Something failed that did not while the process ran one program. */
static int target_changed(const struct target *t, struct load_error *err)
{
	if (target_check(t, err))
		return -1;
	return load_fail(err, LOAD_E_GONE, 0,
			 "process %d has started another program meanwhile (exec): try "
			 "again",
			 t->pid);
}

static int target_open_memory(struct target *t, struct load_error *err)
{
	int error = memory_open(t->pid, t->process.live_tid, &t->mem);

	if (!error) {
		error = maps_read(t->pid, t->process.live_tid, &t->maps);
		if (!error && t->maps.count)
			return 0;
		if (!error)
			error = -ESRCH; /* its memory is gone already */
		memory_close(&t->mem);
	}
	if (error == -ENOENT || error == -ESRCH)
		return target_changed(t, err);
	if (error == -EACCES || error == -EPERM)
		return diagnose_refusal(&t->process, -error, err);
	return load_fail(err, LOAD_E_SYSTEM, -error,
			 "the memory of process %d can't be read: %s", t->pid,
			 strerror(-error));
}

/*
 * The file of an address space that an exec or the end took away reads nothing, nor
 * what is in none but the new one.
 */
bool target_same_memory(const struct target *t)
{
	size_t tried = 0;
	uint32_t word;

	for (size_t i = 0; i < t->maps.count && tried < TARGET_SAMPLES; i++) {
		if (!t->maps.list[i].r)
			continue;
		if (memory_read_u32(&t->mem, t->maps.list[i].start, &word))
			return true;
		tried++;
	}
	return !memory_is_open(&t->mem) || !tried;
}

static int target_inspect(struct target *t, bool any_process, struct load_error *err)
{
	if (target_open_memory(t, err))
		return -1;
	if (target_find_modules(t, err))
		return -1;
	python_find(t);
	if (!target_check_kind(t, any_process, err) && !calls_find(t, err))
		return 0;
	if (!target_same_memory(t))
		target_changed(t, err);
	return -1;
}

/* What is known of it beyond its number goes. */
static void target_forget(struct target *t)
{
	memory_close(&t->mem);
	maps_free(&t->maps);
	free(t->modules);
	free(t->code);
	*t = (struct target){ .pid = t->pid,
			      .pidfd = t->pidfd,
			      .confined = t->confined,
			      .process = t->process,
			      .mem = MEMORY_CLOSED };
}

/* Again, as long as the program is only starting, or another one was started. */
static int target_inspect_started(struct target *t, bool any_process,
				  struct load_error *err)
{
	const struct timespec step = { .tv_nsec = TARGET_STEP_MS * 1000000L };

	for (int tries = 0; target_inspect(t, any_process, err); tries++) {
		if ((!t->starting && err->code != LOAD_E_GONE) || tries == TARGET_TRIES)
			return -1;
		nanosleep(&step, NULL);
		target_forget(t);
		if (process_read(t->pid, &t->process, err) ||
		    diagnose_state(&t->process, err))
			return -1;
	}
	return 0;
}

int target_open(pid_t pid, bool any_process, struct target *ret, struct load_error *err)
{
	struct target t = { .pid = pid, .pidfd = -1, .mem = MEMORY_CLOSED };
	struct load_error unsaid;

	err = err ? err : &unsaid;
	/* first of all: the number can't be reused while this is open */
	if (pid > 0)
		t.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	*ret = t;
	ret->confined = seccomp_confines(pid);
	if (process_read(pid, &ret->process, err) || diagnose_state(&ret->process, err) ||
	    target_inspect_started(ret, any_process, err)) {
		/* an ended process explains every other failure */
		struct load_error now;

		if (err->code == LOAD_E_SYSTEM && target_check(ret, &now))
			*err = now;
		target_close(ret);
		return -1;
	}
	return 0;
}

void target_close(struct target *t)
{
	if (t->pidfd >= 0)
		close(t->pidfd);
	target_forget(t);
	t->pidfd = -1;
}

int target_check(const struct target *t, struct load_error *err)
{
	struct process now;

	if (process_read(t->pid, &now, err))
		return -1;
	if (now.starttime != t->process.starttime)
		return load_fail(
			err, LOAD_E_GONE, 0,
			"process %d has ended and its number was given to another",
			t->pid);
	if (!now.live_tid)
		return load_fail(err, LOAD_E_GONE, 0, "process %d has ended", t->pid);
	return 0;
}

bool target_gone(const struct target *t)
{
	struct load_error err = { 0 };

	return target_check(t, &err) && err.code == LOAD_E_GONE;
}

uint64_t target_find_agent(pid_t pid, pid_t tid, uint64_t *ret_bytes)
{
	struct maps maps;
	uint64_t found = 0, bytes = 0;

	if (maps_read(pid, tid, &maps))
		return 0;
	for (size_t i = 0; i < maps.count; i++) {
		if (!calls_is_agent_path(maps.list[i].path))
			continue;
		if (!found)
			found = maps.list[i].start;
		bytes += maps.list[i].end - maps.list[i].start;
	}
	maps_free(&maps);
	if (ret_bytes)
		*ret_bytes = bytes;
	return found;
}
