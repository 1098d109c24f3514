/* SPDX-License-Identifier: MIT */
/* What loader/target says of processes whose truth we know: ourselves and children. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/cpu/cpu.h"
#include "loader/inject/target_lock.h"
#include "loader/target/calls.h"
#include "loader/target/diagnose.h"
#include "loader/target/initial_stack.h"
#include "loader/target/memory.h"
#include "loader/target/target.h"
#include "loader/target/threads.h"

#define NAME "odd) name ("

/* A child that sleeps under a name meant to confuse. */
static pid_t start_child(void)
{
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (!pid) {
		prctl(PR_SET_NAME, NAME);
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void process_is_read(void **state)
{
	(void)state;
	struct process p;
	struct load_error err;
	pid_t pid = start_child();
	assert_int_equal(process_read(pid, &p, &err), 0);
	assert_int_equal(p.pid, pid);
	assert_int_equal(p.tgid, pid);
	assert_int_equal(p.ppid, getpid());
	assert_string_equal(p.comm, NAME);
	assert_int_equal(p.uid[0], getuid());
	assert_int_equal(p.threads, 1);
	assert_int_equal(p.live_tid, pid);
	assert_int_equal(p.nspid[0], pid);
	assert_true(p.starttime > 0);
	assert_false(p.kthread);
	assert_int_equal(p.tracer, 0);
	end_child(pid);
	assert_int_equal(process_read(pid, &p, &err), -1);
	assert_int_equal(err.code, LOAD_E_GONE);
}

static void zombie_has_no_live_thread(void **state)
{
	(void)state;
	struct process p;
	struct load_error err;
	siginfo_t info;
	pid_t pid = start_child();
	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	assert_int_equal(process_read(pid, &p, &err), 0);
	assert_int_equal(p.state, 'Z');
	assert_int_equal(p.live_tid, 0);
	assert_int_equal(diagnose_state(&p, &err), -1);
	assert_int_equal(err.code, LOAD_E_GONE);
	waitpid(pid, NULL, 0);
}

static void fields_are_found_whole(void **state)
{
	(void)state;
	const char *status = "Name:\tx\nSigPnd:\t00ff\nShdPnd:\t10\n";
	assert_int_equal(process_text_field(status, "SigPnd", 16, 1), 0xff);
	assert_int_equal(process_text_field(status, "ShdPnd", 10, 1), 10);
	assert_int_equal(process_text_field(status, "Pnd", 10, 77), 77);
	assert_int_equal(process_text_field("", "Pnd", 10, 77), 77);
}

static void maps_agree_with_mmap(void **state)
{
	(void)state;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *area = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(area, MAP_FAILED);
	mprotect(area + page, page, PROT_NONE);
	struct maps maps;
	assert_int_equal(maps_read(getpid(), getpid(), &maps), 0);
	const struct map *m = maps_find(&maps, (uint64_t)(uintptr_t)area + page + 5);
	assert_non_null(m);
	assert_int_equal(m->start, (uint64_t)(uintptr_t)area + page);
	assert_int_equal(m->end - m->start, page);
	assert_false(m->r || m->w || m->x || m->shared);
	m = maps_find(&maps, (uint64_t)(uintptr_t)area);
	assert_true(m && m->r && m->w && !m->x);
	assert_null(maps_find(&maps, 0));
	assert_non_null(maps_named(&maps, "[stack]"));
	maps_free(&maps);
	munmap(area, 3 * page);
	assert_int_equal(maps_read(1 << 30, 1 << 30, &maps), -ENOENT);
}

static void deleted_files_are_told(void **state)
{
	(void)state;
	char name[] = "/tmp/pymem-unit-XXXXXX";
	int fd = mkstemp(name);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	void *area = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	unlink(name);
	struct maps maps;
	assert_int_equal(maps_read(getpid(), getpid(), &maps), 0);
	const struct map *m = maps_named(&maps, name);
	assert_true(m && m->deleted && m->shared);
	maps_free(&maps);
	munmap(area, 4096);
	close(fd);
}

static void symbols_agree_with_dlsym(void **state)
{
	(void)state;
	static const char *const names[] = { "malloc",	       "free",	 "dlopen",
					     "pthread_create", "getpid", "qsort",
					     "environ",	       "_exit" };
	struct target t;
	struct load_error err = { 0 };
	assert_int_equal(target_open(getpid(), true, &t, &err), 0);
	assert_non_null(t.libc);
	assert_non_null(t.ldso);
	assert_non_null(t.exe);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t found = elf_module_address(&t.libc->elf, names[i]);
		/* a sanitizer's library may stand before libc: ask libc itself */
		void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
		assert_non_null(libc);
		assert_int_equal(found, (uint64_t)(uintptr_t)dlsym(libc, names[i]));
		dlclose(libc);
	}
	assert_int_equal(elf_module_address(&t.libc->elf, "no_such_symbol_at_all"), 0);
	assert_int_equal(elf_module_address(&t.libc->elf, ""), 0);
	assert_false(t.python.found);
	target_close(&t);
}

/* The bytes themselves, as the processor's manual has them. */
static void assert_system_call_and_return(const uint8_t *code)
{
	static const struct {
		uint16_t machine;
		size_t size;
		uint8_t bytes[8];
	} known[] = {
		{ EM_X86_64, 3, { 0x0f, 0x05, 0xc3 } },
		{ EM_AARCH64, 8, { 0x01, 0x00, 0x00, 0xd4, 0xc0, 0x03, 0x5f, 0xd6 } },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].machine != cpu_elf_machine)
			continue;
		assert_memory_equal(code, known[i].bytes, known[i].size);
		return;
	}
	fail_msg("no bytes for this processor");
}

static void calls_are_found_where_they_are(void **state)
{
	(void)state;
	struct target t;
	struct load_error err = { 0 };
	assert_int_equal(target_open(getpid(), true, &t, &err), 0);
	const struct target_calls *c = &t.calls;
	assert_true(range_has(t.libc->text, c->gadget) ||
		    range_has(t.ldso->text, c->gadget));
	assert_system_call_and_return((const uint8_t *)(uintptr_t)c->gadget);
	assert_true(c->restorer_count >= 1);
	assert_true(c->unsafe_count >= 2);
	assert_true(range_has(c->unsafe[0], elf_module_address(&t.libc->elf, "malloc")));
	assert_true(range_has(c->unsafe[0], elf_module_address(&t.libc->elf, "calloc")));
	assert_false(range_has(c->unsafe[0], elf_module_address(&t.libc->elf, "getpid")));
	assert_int_equal(c->kept_start, 0);
	target_close(&t);
}

struct lock_seen {
	const struct target *target;
	pid_t owner;
};

static int holds_loader_lock(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct lock_seen *seen = arg;
	(void)info;
	(void)size;
	seen->owner = calls_loader_busy(seen->target, &seen->target->mem);
	return 1;
}

/* dl_iterate_phdr holds _dl_load_write_lock while it calls back. */
static void loader_locks_are_watched(void **state)
{
	(void)state;
	struct target t;
	struct load_error err = { 0 };
	assert_int_equal(target_open(getpid(), true, &t, &err), 0);
	if (!t.calls.loader_lock_count) {
		target_close(&t);
		skip();
	}
	assert_true(t.calls.loader_lock_count >= 2);
	struct lock_seen seen = { .target = &t, .owner = 0 };
	assert_int_equal(calls_loader_busy(&t, &t.mem), 0);
	dl_iterate_phdr(holds_loader_lock, &seen);
	assert_int_equal(seen.owner, gettid());
	assert_int_equal(calls_loader_busy(&t, &t.mem), 0);
	target_close(&t);
}

/* By file or by calls: what is there, up to where it ends, of this program alone. */
static void memory_is_read(void **state)
{
	(void)state;
	int (*const ways[])(pid_t, pid_t, struct memory *) = { memory_open,
							       memory_open_calls };
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *const map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(map != MAP_FAILED);
	strcpy(map + page - 6, "hello");
	assert_int_equal(munmap(map + page, page), 0);
	const uint64_t at = (uint64_t)(uintptr_t)map + page - 6;
	for (size_t i = 0; i < 2; i++) {
		struct memory memory;
		char text[32];
		assert_int_equal(ways[i](getpid(), gettid(), &memory), 0);
		assert_true(memory_is_open(&memory));
		assert_int_equal(memory_read_some(&memory, at, text, 32), 6);
		assert_true(memory_read_string(&memory, at, text, 4));
		assert_string_equal(text, "hel");
		assert_false(memory_read(&memory, at, text, 7));
		assert_false(memory_read_string(&memory, at + 6, text, 4));
		memory_close(&memory);
		assert_false(memory_is_open(&memory));
	}
	munmap(map, page);
}

/* From the memory alone it is the same as what the C library was given. */
static void initial_stack_is_read(void **state)
{
	(void)state;
	static const uint64_t keys[] = { AT_ENTRY, AT_BASE, AT_PHDR, AT_RANDOM, 12345 };
	const pid_t pid = getpid();
	struct memory memory;
	assert_int_equal(memory_open(pid, pid, &memory), 0);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_int_equal(initial_stack_auxv_in_memory(pid, pid, &memory, keys[i]),
				 getauxval(keys[i]));
		assert_int_equal(initial_stack_auxv(pid, pid, &memory, keys[i]),
				 getauxval(keys[i]));
	}
	/* its variables cut off, which it may do */
	char *const first = environ[0];
	environ[0] = NULL;
	assert_int_equal(initial_stack_auxv_in_memory(pid, pid, &memory, AT_ENTRY),
			 getauxval(AT_ENTRY));
	environ[0] = first;
	memory_close(&memory);

	size_t told = 0, read = 0;
	char *a = initial_stack_environment(pid, pid, &told);
	char *b = initial_stack_environment_in_memory(pid, pid, &read);
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(told, read);
	assert_memory_equal(a, b, told);
	assert_null(initial_stack_environment_in_memory(-1, -1, &read));
	free(a);
	free(b);
}

/* An address of both programs, which run the same file, before and after the exec. */
static void memory_ends_with_its_program(void **state)
{
	(void)state;
	int (*const ways[])(pid_t, pid_t, struct memory *) = { memory_open,
							       memory_open_calls };
	for (size_t i = 0; i < 2; i++) {
		struct memory memory;
		struct maps maps;
		int go[2], gone[2];
		uint32_t word;
		char byte;
		assert_int_equal(pipe2(go, O_CLOEXEC), 0);
		assert_int_equal(pipe2(gone, O_CLOEXEC), 0);
		const pid_t pid = fork();
		if (!pid) {
			prctl(PR_SET_DUMPABLE, 1);
			if (read(go[0], &byte, 1) == 1)
				execl("/bin/sleep", "sleep", "1000", NULL);
			_exit(1);
		}
		close(gone[1]); /* ends for us when the child's is closed by its exec */
		assert_int_equal(ways[i](pid, pid, &memory), 0);
		assert_int_equal(maps_read(pid, pid, &maps), 0);
		const uint64_t addr = maps.list[0].start;
		assert_true(memory_read_u32(&memory, addr, &word));
		assert_int_equal(write(go[1], "x", 1), 1);
		assert_int_equal(read(gone[0], &byte, 1), 0);
		assert_false(memory_read_u32(&memory, addr, &word));
		maps_free(&maps);
		assert_int_equal(maps_read(pid, pid, &maps), 0);
		assert_false(memory_read_u32(&memory, maps.list[0].start, &word));
		maps_free(&maps);
		memory_close(&memory);
		end_child(pid);
		close(go[0]);
		close(go[1]);
		close(gone[0]);
	}
}

static void malformed_elf_is_refused(void **state)
{
	(void)state;
	struct memory mem;
	assert_int_equal(memory_open(getpid(), getpid(), &mem), 0);
	static _Alignas(64) unsigned char image[4096];
	struct elf elf;
	Elf64_Ehdr h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
			 .e_type = ET_DYN,
			 .e_machine = cpu_elf_machine,
			 .e_phoff = sizeof(h),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 2 };
	assert_false(elf_module_open(&mem, (uint64_t)(uintptr_t)image, &elf));
	memcpy(image, &h, sizeof(h));
	assert_false(
		elf_module_open(&mem, (uint64_t)(uintptr_t)image, &elf)); /* no PT_LOAD */
	Elf64_Phdr p[2] = { { .p_type = PT_LOAD, .p_memsz = 4096 },
			    { .p_type = PT_DYNAMIC, .p_vaddr = 1024 } };
	memcpy(image + sizeof(h), p, sizeof(p));
	/* a hash table whose chains lead nowhere */
	Elf64_Dyn d[] = { { DT_SYMTAB, { 2048 } },
			  { DT_STRTAB, { 3072 } },
			  { DT_STRSZ, { 16 } },
			  { DT_HASH, { 3500 } },
			  { DT_NULL, { 0 } } };
	memcpy(image + 1024, d, sizeof(d));
	uint32_t table[] = { 1, 4, 2, 2, 2, 2, 2 };
	memcpy(image + 3500, table, sizeof(table));
	assert_true(elf_module_open(&mem, (uint64_t)(uintptr_t)image, &elf));
	assert_int_equal(elf_module_address(&elf, "x"), 0);
	table[0] = 0; /* no buckets: no division by it */
	memcpy(image + 3500, table, sizeof(table));
	assert_int_equal(elf_module_address(&elf, "x"), 0);
	h.e_phnum = 60000;
	memcpy(image, &h, sizeof(h));
	assert_false(elf_module_open(&mem, (uint64_t)(uintptr_t)image, &elf));
	assert_false(elf_module_open(&mem, 8, &elf));
	memory_close(&mem);
}

static void threads_are_ranked(void **state)
{
	(void)state;
	const unsigned long long gil[6] = { 1, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0,
					    0 };
	const unsigned long long timed[6] = { 1, FUTEX_WAIT_BITSET, 0, 4096 };
	const unsigned long long lock[6] = { 1, FUTEX_WAIT | FUTEX_PRIVATE_FLAG };
	const unsigned long long endless[6] = { 3, 4096, 1, (unsigned long long)-1 };
	const unsigned long long limited[6] = { 3, 4096, 1, 500 };
	const unsigned long long zero[6] = { 0 };
	assert_int_equal(threads_rank(SYS_futex, gil, false, false),
			 THREAD_WAITS_CONDITION);
	assert_int_equal(threads_rank(SYS_futex, timed, false, false),
			 THREAD_WAITS_CONDITION);
	assert_int_equal(threads_rank(SYS_futex, timed, true, false), THREAD_WAITS_OTHER);
	assert_int_equal(threads_rank(SYS_futex, lock, false, false), THREAD_NEVER);
	assert_int_equal(threads_rank(SYS_futex, lock, false, true),
			 THREAD_WAITS_CONDITION);
	assert_int_equal(threads_rank(SYS_read, zero, false, false), THREAD_WAITS_INPUT);
	assert_int_equal(threads_rank(SYS_restart_syscall, zero, false, false),
			 THREAD_WAITS_INPUT);
	assert_int_equal(threads_rank(SYS_restart_syscall, zero, true, false),
			 THREAD_WAITS_OTHER);
	assert_int_equal(threads_rank(SYS_clock_nanosleep, zero, true, false),
			 THREAD_WAITS_OTHER);
	assert_int_equal(threads_rank(SYS_epoll_pwait, endless, false, false),
			 THREAD_INTERRUPTED);
	assert_int_equal(threads_rank(SYS_munmap, zero, false, false),
			 THREAD_WAITS_OTHER);
	assert_int_equal(threads_rank(-1, zero, false, false), THREAD_RUNS);
	assert_true(threads_endless_wait(SYS_epoll_pwait, endless));
	assert_false(threads_endless_wait(SYS_epoll_pwait, limited));
	assert_false(threads_endless_wait(SYS_read, endless));
}

static void main_thread_comes_first(void **state)
{
	(void)state;
	struct thread list[THREADS_MAX];
	pid_t pid = start_child();
	const struct target target = { .pid = pid };
	do /* until it waits */
		assert_int_equal(threads_order(&target, list), 1);
	while (list[0].rank != THREAD_WAITS_INPUT);
	assert_int_equal(list[0].tid, pid);
	assert_true(list[0].main);
	end_child(pid);
	assert_true(threads_order(&target, list) <= 0);
}

static void one_loader_at_a_time(void **state)
{
	(void)state;
	struct load_error err = { 0 };
	pid_t pid = start_child();
	int first = target_lock_take(pid, &err);
	assert_true(first >= 0);
	assert_int_equal(target_lock_take(pid, &err), -1);
	assert_int_equal(err.code, LOAD_E_BUSY);
	char self[32];
	snprintf(self, sizeof(self), "(process %d)", getpid());
	assert_non_null(strstr(err.text, self));
	close(first);
	int second = target_lock_take(pid, &err);
	assert_true(second >= 0);
	close(second);
	end_child(pid);
	assert_int_equal(target_lock_take(pid, &err), -1);
	assert_int_equal(err.code, LOAD_E_GONE);
}

static void reused_number_is_noticed(void **state)
{
	(void)state;
	struct target t;
	struct load_error err = { 0 };
	pid_t pid = start_child();
	assert_int_equal(target_open(pid, true, &t, &err), 0);
	assert_int_equal(target_check(&t, &err), 0);
	t.process.starttime++;
	assert_int_equal(target_check(&t, &err), -1);
	assert_int_equal(err.code, LOAD_E_GONE);
	target_close(&t);
	end_child(pid);
}

/* As an emulator maps it: a library of another processor, not as code of this one. */
static void emulated_python_is_named(void **state)
{
	(void)state;
	char folder[] = "/tmp/pymem-target-XXXXXX", path[64], image[4096];
	struct target t;
	struct load_error err = { 0 };
	const unsigned other = cpu_elf_machine == EM_AARCH64 ? EM_X86_64 : EM_AARCH64;
	const int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(self, image, sizeof(image)), sizeof(image));
	((Elf64_Ehdr *)(void *)image)->e_machine = (Elf64_Half)other;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/libpython3.11.so.1.0", folder);
	const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, image, sizeof(image)), sizeof(image));
	void *map = mmap(NULL, sizeof(image), PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	pid_t pid = start_child();
	assert_int_equal(target_open(pid, false, &t, &err), -1);
	assert_int_equal(err.code, LOAD_E_UNSUPPORTED);
	assert_non_null(strstr(err.text,
			       other == EM_AARCH64 ? "an aarch64 pymem-load is needed" :
						     "an x86-64 pymem-load is needed"));
	end_child(pid);
	munmap(map, sizeof(image));
	close(fd);
	close(self);
	unlink(path);
	rmdir(folder);
}

static void not_python_is_said(void **state)
{
	(void)state;
	struct target t;
	struct load_error err = { 0 };
	pid_t pid = start_child();
	assert_int_equal(target_open(pid, false, &t, &err), -1);
	assert_int_equal(err.code, LOAD_E_NOT_PYTHON);
	end_child(pid);
	assert_int_equal(target_open(-1, true, &t, &err), -1);
	assert_int_equal(err.code, LOAD_E_GONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(process_is_read),
		cmocka_unit_test(zombie_has_no_live_thread),
		cmocka_unit_test(fields_are_found_whole),
		cmocka_unit_test(maps_agree_with_mmap),
		cmocka_unit_test(deleted_files_are_told),
		cmocka_unit_test(symbols_agree_with_dlsym),
		cmocka_unit_test(calls_are_found_where_they_are),
		cmocka_unit_test(loader_locks_are_watched),
		cmocka_unit_test(memory_is_read),
		cmocka_unit_test(initial_stack_is_read),
		cmocka_unit_test(memory_ends_with_its_program),
		cmocka_unit_test(malformed_elf_is_refused),
		cmocka_unit_test(threads_are_ranked),
		cmocka_unit_test(main_thread_comes_first),
		cmocka_unit_test(one_loader_at_a_time),
		cmocka_unit_test(reused_number_is_noticed),
		cmocka_unit_test(emulated_python_is_named),
		cmocka_unit_test(not_python_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
