/* SPDX-License-Identifier: MIT */
/* agent_image - see agent_image.h. */
#include "loader/inject/agent_image.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "loader/target/foreign.h"
#include "loader/target/calls.h"
#include "loader/target/seccomp.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif

enum { MAPS_TEXT_MAX = 16 << 20, MAPS_TEXT_GROWTH = 16 << 10, WRITE_CHUNK = 64 << 10 };

/*
 * Bytes of a library that are ever mapped, all that its dynamic loader reads: the
 * rest (symbols, section headers) need not be copied while a thread is stopped.
 */
static size_t agent_image_mapped_size(const char *data, size_t size)
{
	Elf64_Ehdr h;
	size_t end = 0;

	if (size < sizeof(h))
		return size;
	memcpy(&h, data, sizeof(h));
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) || h.e_ident[EI_CLASS] != ELFCLASS64 ||
	    h.e_phentsize != sizeof(Elf64_Phdr) || h.e_phoff > size ||
	    h.e_phnum * sizeof(Elf64_Phdr) > size - h.e_phoff)
		return size;
	for (size_t i = 0; i < h.e_phnum; i++) {
		Elf64_Phdr p;
		memcpy(&p, data + h.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_offset > size || p.p_filesz > size - p.p_offset)
			return size;
		if (p.p_offset + p.p_filesz > end)
			end = p.p_offset + p.p_filesz;
	}
	return end > sizeof(h) ? end : size;
}

/* A file that is cut off there says that it has no sections. */
static void agent_image_cut_sections(char *data)
{
	Elf64_Ehdr h;

	memcpy(&h, data, sizeof(h));
	h.e_shoff = h.e_shnum = h.e_shstrndx = 0;
	memcpy(data, &h, sizeof(h));
}

/* The section header at index of an ELF file; false: there is none. */
static bool agent_image_section(const char *data, size_t size, unsigned index,
				Elf64_Shdr *ret)
{
	Elf64_Ehdr h;

	memcpy(&h, data, sizeof(h));
	if (h.e_shentsize != sizeof(*ret) || index >= h.e_shnum || h.e_shoff > size ||
	    (size - h.e_shoff) / sizeof(*ret) <= index)
		return false;
	memcpy(ret, data + h.e_shoff + index * sizeof(*ret), sizeof(*ret));
	return ret->sh_type == SHT_NOBITS ||
		(ret->sh_offset <= size && ret->sh_size <= size - ret->sh_offset);
}

/* Takes the calls that the agent notes in a section of its file, if it has that. */
static void agent_image_take_calls(struct agent_image *image, const char *data,
				   size_t size)
{
	static const char name[] = "pymem_calls";
	Elf64_Ehdr h;
	Elf64_Shdr names, s;

	if (size < sizeof(h))
		return;
	memcpy(&h, data, sizeof(h));
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) || h.e_ident[EI_CLASS] != ELFCLASS64 ||
	    !agent_image_section(data, size, h.e_shstrndx, &names))
		return;
	for (unsigned i = 0; agent_image_section(data, size, i, &s); i++) {
		if (s.sh_type != SHT_PROGBITS || names.sh_size < sizeof(name) ||
		    s.sh_name > names.sh_size - sizeof(name) ||
		    memcmp(data + names.sh_offset + s.sh_name, name, sizeof(name)) != 0)
			continue;
		image->calls = malloc(s.sh_size + 1);
		image->call_count = image->calls ? s.sh_size / sizeof(uint32_t) : 0;
		if (image->calls)
			memcpy(image->calls, data + s.sh_offset,
			       image->call_count * sizeof(uint32_t));
		return;
	}
}

int agent_image_init(struct agent_image *image, const struct inject_options *options,
		     struct load_error *err)
{
	static const char magic[16] = PYMEM_START_MAGIC;

	*image = (struct agent_image){ .remote_fd = -1 };
	const char *data = options->agent, *at = data, *found = NULL;
	size_t size = options->agent_size;
	while ((at = memmem(at, size - (size_t)(at - data), magic, sizeof(magic)))) {
		struct pymem_start block;

		if (size - (size_t)(at - data) < sizeof(block))
			break;
		memcpy(&block, at, sizeof(block));
		if (block.size == sizeof(block) && block.version == PYMEM_START_VERSION) {
			found = at;
			break;
		}
		at++;
	}
	if (!found)
		return load_fail(err, LOAD_E_UNSUPPORTED, 0,
				 "the agent file isn't libpymemagent.so of this version "
				 "(no start block)");
	const size_t whole = size;
	size = agent_image_mapped_size(data, whole);
	if ((size_t)(found - data) + sizeof(struct pymem_start) > size)
		size = whole;
	image->data = malloc(size);
	if (!image->data)
		return load_fail(err, LOAD_E_SYSTEM, ENOMEM, "out of memory");
	memcpy(image->data, data, size);
	agent_image_take_calls(image, data, whole);
	if (size < whole)
		agent_image_cut_sections(image->data);
	image->size = size;
	image->block = (size_t)(found - data);
	return 0;
}

void agent_image_free(struct agent_image *image)
{
	free(image->data);
	free(image->calls);
	*image = (struct agent_image){ .remote_fd = -1 };
}

void agent_image_configure(struct agent_image *image, const struct pymem_start *start)
{
	struct pymem_start copy = *start;

	assert(image->block + sizeof(*start) <= image->size);
	memcpy(copy.magic, PYMEM_START_MAGIC, sizeof(copy.magic));
	copy.version = PYMEM_START_VERSION;
	copy.size = sizeof(copy);
	copy.configured = 1;
	memcpy((char *)image->data + image->block, &copy, sizeof(copy));
}

/* Start time of a process by its number in an open /proc; 0 = unreadable. */
static uint64_t agent_image_start_time(int proc, pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/stat", pid);
	char *text = foreign_read(proc, path, 4096);
	char *field = text ? strrchr(text, ')') : NULL;
	for (int i = 2; field && i < 22; i++) {
		field = strchr(field, ' ');
		field = field ? field + 1 : NULL;
	}
	uint64_t time = field ? strtoull(field, NULL, 10) : 0;
	free(text);
	return time;
}

/*
 * What the thread calls itself in the /proc it sees: that /proc may belong to any
 * of the pid namespaces it is in, or be missing.  False = no usable /proc.
 */
static bool agent_image_look_in_proc(const struct tracee *t, int proc, pid_t *pid_ret,
				     pid_t *tid_ret)
{
	struct statfs fs;
	struct process p, thread;

	if (fstatfs(proc, &fs) || fs.f_type != PROC_SUPER_MAGIC ||
	    process_read(t->pid, &p, NULL) || process_read(t->tid, &thread, NULL))
		return false;
	for (int i = p.nspid_count - 1; i >= 0 && i < thread.nspid_count; i--) {
		if (agent_image_start_time(proc, p.nspid[i]) != p.starttime)
			continue;
		*pid_ret = p.nspid[i];
		*tid_ret = thread.nspid[i];
		return true;
	}
	return false;
}

/* Looked at once for each thread: it's stopped meanwhile. */
static bool agent_image_name_in_own_proc(const struct tracee *t, pid_t *pid_ret,
					 pid_t *tid_ret)
{
	static struct {
		pid_t of, pid, tid;
		bool has;
	} last;

	if (last.of != t->tid) {
		const int proc = foreign_path(t->pid, t->tid, "/proc", false);

		last.has = proc >= 0 &&
			agent_image_look_in_proc(t, proc, &last.pid, &last.tid);
		last.of = t->tid;
		if (proc >= 0)
			close(proc);
	}
	*pid_ret = last.pid;
	*tid_ret = last.tid;
	return last.has;
}

pid_t agent_image_own_tid(const struct tracee *tracee)
{
	pid_t pid, tid;

	return agent_image_name_in_own_proc(tracee, &pid, &tid) ? tid : 0;
}

bool agent_image_has_proc(const struct tracee *tracee)
{
	pid_t pid, tid;

	return agent_image_name_in_own_proc(tracee, &pid, &tid);
}

static char *agent_image_maps_text(const struct tracee *t, size_t *size_ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/maps", t->pid, t->tid);
	return process_read_text(path, MAPS_TEXT_MAX, size_ret);
}

uint64_t agent_image_reserve_maps(const struct tracee *tracee, struct pymem_start *start,
				  uint64_t addr, uint64_t size)
{
	size_t now = 0;

	start->maps_addr = start->maps_size = 0;
	if (agent_image_has_proc(tracee))
		return 0;
	free(agent_image_maps_text(tracee, &now));
	uint64_t want = (sizeof(uint64_t) + now + MAPS_TEXT_GROWTH + 4095) & ~4095ull;
	if (!now || want > size)
		return 0;
	start->maps_addr = addr;
	start->maps_size = want;
	return want;
}

void agent_image_write_maps(const struct tracee *tracee, const struct pymem_start *start)
{
	size_t size = 0;
	char *text = start->maps_addr ? agent_image_maps_text(tracee, &size) : NULL;
	uint64_t length = size;

	if (text && length <= start->maps_size - sizeof(length) &&
	    tracee_write(tracee, start->maps_addr + sizeof(length), text, size))
		tracee_write(tracee, start->maps_addr, &length, sizeof(length));
	else if (start->maps_addr)
		helper_log(tracee->helper, "the mappings can't be told to the agent");
	free(text);
}

/*
 * glibc takes a library for loaded if the name is the same, without looking at
 * the file (elf/dl-load.c _dl_map_object compares l_name): spell the path so
 * that it differs between captures even if the numbers don't.  By the thread,
 * since the descriptors of a leader that has ended can't be reached.
 */
static void agent_image_unique_path(struct agent_image *image, pid_t pid, pid_t tid,
				    int fd, uint64_t nonce)
{
	size_t n = (size_t)snprintf(image->path, sizeof(image->path), "/proc/%d", pid);

	for (int bit = 0; bit < 16; bit++)
		n += (size_t)snprintf(image->path + n, sizeof(image->path) - n, "%s",
				      nonce >> bit & 1 ? "/." : "/");
	snprintf(image->path + n, sizeof(image->path) - n, "/task/%d/fd/%d", tid, fd);
}

static int agent_image_make_memfd(struct remote *r, int64_t *fd, struct load_error *err)
{
	static const char name[] = CALLS_AGENT_NAME;
	uint64_t addr = remote_push(r, name, sizeof(name));

	if (!addr)
		return load_fail(err, LOAD_E_SYSTEM, errno,
				 "the target can't be written to");
	if (remote_sys(r, fd, err, SYS_memfd_create, addr, MFD_CLOEXEC | MFD_NOEXEC_SEAL))
		return -1;
	if (*fd == -EINVAL && /* before 6.3 */
	    remote_sys(r, fd, err, SYS_memfd_create, addr, MFD_CLOEXEC))
		return -1;
	return 0;
}

/* As the loader, on the target's own open file: its rights, not ours. 0 or -errno. */
static int agent_image_write_memfd(const struct agent_image *image, int fd)
{
	if (!foreign_is_new_memory(fd))
		return -EBADF;
	for (size_t done = 0; done < image->size;) {
		const ssize_t n = pwrite(fd, (const char *)image->data + done,
					 image->size - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

/* By the borrowed thread, from its stack of ours. *result: 0 or -errno. */
static int agent_image_write_there(const struct agent_image *image, struct remote *r,
				   int fd, int *result, struct load_error *err)
{
	const uint64_t top = r->top;
	size_t done = 0;

	*result = 0;
	while (done < image->size && !*result) {
		const size_t left = image->size - done;
		const size_t size = left < WRITE_CHUNK ? left : WRITE_CHUNK;
		const uint64_t addr =
			remote_push(r, (const char *)image->data + done, size);
		int64_t n = -EFAULT;

		r->top = top;
		if (addr && remote_sys(r, &n, err, SYS_write, (uint64_t)fd, addr, size))
			return -1;
		if (n > (int64_t)size || n == 0)
			n = -EIO;
		if (n > 0)
			done += (size_t)n;
		else
			*result = (int)n;
	}
	return 0;
}

/* 1 = it can't be done this way. */
static int agent_image_place_memfd(struct agent_image *image, struct remote *r, int pidfd,
				   uint64_t nonce, struct load_error *err)
{
	pid_t own_pid, own_tid;
	struct helper *h = r->tracee->helper;

	if (!agent_image_name_in_own_proc(r->tracee, &own_pid, &own_tid))
		return 1;
	int64_t fd;
	if (agent_image_make_memfd(r, &fd, err))
		return -1;
	if (fd < 0 || fd > INT_MAX)
		return 1;
	image->remote_fd = (int)fd;
	const int taken = foreign_take(pidfd, (int)fd);
	int error = taken < 0 ? taken : agent_image_write_memfd(image, taken);
	if (taken >= 0)
		close(taken);
	else {
		helper_log(h, "no pidfd_getfd (%s): the target writes the memfd itself",
			   strerror(-taken));
		if (agent_image_write_there(image, r, (int)fd, &error, err))
			return -1;
	}
	if (error) {
		helper_log(h, "memfd can't be written: %s", strerror(-error));
		return agent_image_remove(image, r, err) ? -1 : 1;
	}
	agent_image_unique_path(image, own_pid, own_tid, (int)fd, nonce);
	return 0;
}

/* For the agent, or the thread that is borrowed, to remove. */
static void agent_image_name_file(struct agent_image *image, const char *dir,
				  uint64_t nonce)
{
	char *block = (char *)image->data + image->block;
	char file[sizeof(((struct pymem_start *)0)->file)] = "";

	snprintf(file, sizeof(file), "%s/.pymem-agent-%016llx.so", dir,
		 (unsigned long long)nonce);
	memcpy(block + offsetof(struct pymem_start, file), file, sizeof(file));
	snprintf(image->path, sizeof(image->path), "%s", file);
}

/* Writes an open file there and tries what dlopen will do: to map it executable. */
static int agent_image_fill_file(const struct agent_image *image, struct remote *r,
				 int fd, int *result, struct load_error *err)
{
	int64_t addr, ret;

	if (agent_image_write_there(image, r, fd, result, err))
		return -1;
	if (*result)
		return 0;
	if (remote_sys(r, &addr, err, SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC,
		       MAP_PRIVATE, (uint64_t)fd, 0))
		return -1;
	if (addr < 0 && addr >= -4095)
		*result = (int)addr;
	else if (remote_sys(r, &ret, err, SYS_munmap, (uint64_t)addr, 4096))
		return -1;
	return 0;
}

/* One directory, by the target itself. *result: 0 = the file is there, else -errno. */
static int agent_image_try_directory(struct agent_image *image, struct remote *r,
				     const char *dir, uint64_t nonce, int *result,
				     struct load_error *err)
{
	const uint64_t top = r->top;
	int64_t fd, ret;

	agent_image_name_file(image, dir, nonce);
	const uint64_t name = remote_push(r, image->path, strlen(image->path) + 1);
	if (!name)
		return load_fail(err, LOAD_E_SYSTEM, errno,
				 "the target can't be written to");
	int status = remote_sys(r, &fd, err, SYS_openat, (uint64_t)AT_FDCWD, name,
				O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	*result = fd < 0 ? (int)fd : 0;
	if (!status && fd >= 0) {
		image->placed = true;
		status = agent_image_fill_file(image, r, (int)fd, result, err) ||
			remote_sys(r, &ret, err, SYS_close, (uint64_t)fd);
		if (!status && *result)
			status = agent_image_remove(image, r, err);
	}
	if (!status)
		r->top = top;
	return status ? -1 : 0;
}

static int agent_image_place_file(struct agent_image *image, struct remote *r,
				  uint64_t nonce, struct load_error *err)
{
	static const char *const dirs[] = { "/tmp", "/var/tmp", "/dev/shm", "/run", "." };
	int error = -ENOENT;

	if (!r->copy && seccomp_worst(&r->tracee->seccomp, SYS_unlinkat) != FILTER_ALLOWS)
		return load_fail(err, LOAD_E_STATE, 0,
				 "the agent would have to be a file in process %d, whose "
				 "seccomp filter forbids its removal (unlinkat)",
				 r->tracee->pid);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (agent_image_try_directory(image, r, dirs[i], nonce, &error, err))
			return -1;
		if (!error) {
			helper_log(r->tracee->helper, "agent placed as %s, in its view",
				   image->path);
			return 0;
		}
	}
	return load_fail(err, LOAD_E_CALL, -error,
			 "the agent can't be brought into process %d: it sees no /proc, "
			 "and no directory of its root can hold an executable file (%s)",
			 r->tracee->helper->target->pid, strerror(-error));
}

int agent_image_place(struct agent_image *image, struct remote *r, int pidfd,
		      struct load_error *err)
{
	struct tracee *t = r->tracee;
	const char *block = (const char *)image->data + image->block;
	uint64_t nonce = ((const struct pymem_start *)(const void *)block)->nonce;
	int placed = agent_image_place_memfd(image, r, pidfd, nonce, err);

	if (placed <= 0)
		return placed;
	helper_log(t->helper, "no memfd or no /proc in the target: a file instead");
	return agent_image_place_file(image, r, nonce, err);
}

void agent_image_loaded(struct agent_image *image)
{
	image->placed = false;
	image->remote_fd = -1;
}

int agent_image_remove(struct agent_image *image, struct remote *r,
		       struct load_error *err)
{
	int64_t ret;
	const int fd = image->remote_fd;
	const bool placed = image->placed;

	image->remote_fd = -1;
	image->placed = false;
	if (fd >= 0)
		return remote_sys(r, &ret, err, SYS_close, (uint64_t)fd);
	if (!placed)
		return 0;
	const uint64_t top = r->top;
	const uint64_t name = remote_push(r, image->path, strlen(image->path) + 1);
	r->top = top;
	return name ?
		remote_sys(r, &ret, err, SYS_unlinkat, (uint64_t)AT_FDCWD, name, 0) :
		0;
}
