/* SPDX-License-Identifier: MIT */
/* viewer_process - see viewer_process.h. */
#include "agent/trigger/viewer_process.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/cpu.h"
#include "agent/base/libc.h"
#include "agent/base/phrase.h"
#include "agent/base/sys.h"
#include "agent/snap/grandchild.h"
#include "agent/snap/spawn.h"

enum {
	VIEWER_PATH = 1280,
	VIEWER_FDS = 65536, /* closed one by one, where the kernel knows no better way */
	VIEWER_NICE = 19,
	VIEWER_STACK = 64 << 10,
	VIEWER_WAIT_MS = 120000,
	VIEWER_LOOK_MS = 10,
	VIEWER_KEEP_MS = 50,	 /* between two looks of the keeper */
	VIEWER_LEAST = 64 << 20, /* bytes that it needs, whatever there is to read */
	VIEWER_OBJECT = 100,	 /* ... and for an object, as it says itself */
};

/* No sys_note: what a filter says to these calls is said to another process. */
#define viewer_call(nr, a, b, c) \
	cpu_call((nr), SYS_ARG(a), SYS_ARG(b), SYS_ARG(c), 0, 0, 0)

static char viewer_path[VIEWER_PATH];		    /* "" = there is none */
static char viewer_libraries[VIEWER_PATH];	    /* "LD_LIBRARY_PATH=..." or "" */
static _Atomic(int) viewer_keeper;		    /* 0 = none runs */
static atomic_flag viewer_asked = ATOMIC_FLAG_INIT; /* by a thread, whether it runs */
static long viewer_stack;			    /* the keeper's; 0 = none */

/* What its process reads, in our memory, before it becomes the program. */
static struct {
	const char *argv[12], *env[4];
	uint64_t room;
	bool apart; /* the keeper has memory of its own, and can't tell us anything */
	int parent;
	_Atomic(uint32_t) begun;
	volatile int failed; /* errno of what it couldn't become */
} viewer_order;

/* ---- where it is ---- */

static bool viewer_process_runnable(const char *path)
{
	struct stat st;

	return sys4(SYS_newfstatat, AT_FDCWD, path, &st, 0) == 0 && S_ISREG(st.st_mode) &&
		sys3(SYS_faccessat, AT_FDCWD, path, X_OK) == 0;
}

static bool viewer_process_try(const char *folder, size_t length, const char *below)
{
	struct phrase t;

	phrase_init(&t, viewer_path, sizeof(viewer_path));
	phrase_bytes(&t, folder, length);
	phrase_str(&t, below);
	phrase_str(&t, "pymem-view");
	if (length && folder[0] == '/' && !t.cut && viewer_process_runnable(viewer_path))
		return true;
	viewer_path[0] = '\0';
	return false;
}

/* The agent's own file, without links; its length, 0 = unknown. */
static size_t viewer_process_agent(char path[VIEWER_PATH])
{
	char link[32];
	struct phrase t;
	Dl_info info;
	long n;
	int fd;

	if (!dladdr(&viewer_order, &info) || !info.dli_fname)
		return 0;
	fd = sys_open(info.dli_fname, O_PATH, 0);
	if (fd < 0)
		return 0;
	phrase_init(&t, link, sizeof(link));
	phrase_str(&t, "/proc/self/fd/");
	phrase_u64(&t, (uint64_t)fd);
	n = sys4(SYS_readlinkat, AT_FDCWD, link, path, VIEWER_PATH - 1);
	sys_close(fd);
	if (n <= 0)
		return 0;
	path[n] = '\0';
	return (size_t)n;
}

/* Beside it, or where a build and the packages have programs. */
static bool viewer_process_beside(void)
{
	static const char *const places[] = { "/", "/../bin/", "/../../bin/",
					      "/../../../bin/" };
	char path[VIEWER_PATH];
	size_t length = viewer_process_agent(path);

	while (length && path[length - 1] != '/')
		length--;
	for (size_t i = 0; length && i < sizeof(places) / sizeof(places[0]); i++) {
		if (viewer_process_try(path, length - 1, places[i]))
			return true;
	}
	return false;
}

static const char *viewer_process_variable(char *const *env, const char *name)
{
	const size_t length = strlen(name);

	for (; env && *env; env++) {
		if (strncmp(*env, name, length) == 0 && (*env)[length] == '=')
			return *env;
	}
	return NULL;
}

static bool viewer_process_in_path(const char *list)
{
	while (list) {
		const char *const end = strchr(list, ':');
		const size_t length = end ? (size_t)(end - list) : strlen(list);

		if (viewer_process_try(list, length, "/"))
			return true;
		list = end ? end + 1 : NULL;
	}
	return false;
}

bool viewer_process_find(const char *named, char *const *env)
{
	const char *const libraries = viewer_process_variable(env, "LD_LIBRARY_PATH");
	const char *const path = viewer_process_variable(env, "PATH");
	struct phrase t;

	phrase_init(&t, viewer_libraries, sizeof(viewer_libraries));
	phrase_str(&t, libraries ? libraries : "");
	if (t.cut)
		viewer_libraries[0] = '\0';
	phrase_init(&t, viewer_path, sizeof(viewer_path));
	phrase_str(&t, named);
	if (named[0] && (t.cut || !viewer_process_runnable(named)))
		viewer_path[0] = '\0';
	if (named[0])
		return viewer_path[0];
	return viewer_process_beside() ||
		viewer_process_in_path(path ? path + strlen("PATH=") : NULL);
}

/* ---- its process, until it is the other program ---- */

/* The memory is still ours: nothing is allocated, and our thread waits. */
static void viewer_process_limits(void)
{
	struct rlimit limit;

	/* what the program set for itself, below what it may have */
	if (cpu_call(SYS_prlimit64, 0, RLIMIT_AS, 0, SYS_ARG(&limit), 0, 0) == 0) {
		limit.rlim_cur = limit.rlim_max;
		cpu_call(SYS_prlimit64, 0, RLIMIT_AS, SYS_ARG(&limit), 0, 0, 0);
	}
	if (cpu_call(SYS_prlimit64, 0, RLIMIT_DATA, 0, SYS_ARG(&limit), 0, 0) == 0) {
		limit.rlim_cur = viewer_order.room < limit.rlim_max ? viewer_order.room :
								      limit.rlim_max;
		cpu_call(SYS_prlimit64, 0, RLIMIT_DATA, SYS_ARG(&limit), 0, 0, 0);
	}
}

static void viewer_process_signals(void)
{
	/* handler, flags, restorer, mask: the kernel's struct sigaction */
	static const uint64_t normal[4] = { 0 };
	static const uint64_t none = 0;

	for (int sig = 1; sig <= 64; sig++)
		cpu_call(SYS_rt_sigaction, sig, SYS_ARG(normal), 0, 8, 0, 0);
	cpu_call(SYS_rt_sigprocmask, SIG_SETMASK, SYS_ARG(&none), 0, 8, 0, 0);
}

static void viewer_process_descriptors(void)
{
	const int null = (int)cpu_call(SYS_openat, AT_FDCWD, SYS_ARG("/dev/null"), O_RDWR,
				       0, 0, 0);
	long closed = -ENOSYS;

	viewer_call(SYS_dup3, null, 0, 0);
	viewer_call(SYS_dup3, null, 1, 0);
#ifdef SYS_close_range
	closed = viewer_call(SYS_close_range, 3, ~0u, 0);
#endif
	for (int fd = 3; closed < 0 && fd < VIEWER_FDS; fd++)
		viewer_call(SYS_close, fd, 0, 0);
}

static void viewer_process_become(void *arg)
{
	int oom;

	(void)arg;
	viewer_process_signals();
	viewer_call(SYS_setsid, 0, 0, 0);
	viewer_call(SYS_setpriority, PRIO_PROCESS, 0, VIEWER_NICE);
	viewer_call(SYS_umask, 077, 0, 0);
	oom = (int)cpu_call(SYS_openat, AT_FDCWD, SYS_ARG("/proc/self/oom_score_adj"),
			    O_WRONLY, 0, 0, 0);
	viewer_call(SYS_write, oom, "1000", 4);
	viewer_process_limits();
	viewer_process_descriptors();
	viewer_order.failed = -(int)viewer_call(SYS_execve, viewer_path,
						viewer_order.argv, viewer_order.env);
	sys_exit_group(127);
}

/*
 * The keeper.  Once the other program runs it uses no thread-local memory (a stack
 * protector's word, errno): the thread whose it is may end.  The process must not find
 * the keeper in its memory when it has ended, and then it is of no use.  Its children are
 * ignored: what they used isn't added to what ours did.
 */
static void viewer_process_keep(void *arg)
{
	static const struct timespec look = { .tv_nsec = VIEWER_KEEP_MS * 1000000 };
	const bool apart = viewer_order.apart;
	const int parent = viewer_order.parent;
	int pid;

	(void)arg;
	grandchild_ignore();
	pid = spawn_program(viewer_process_become, NULL);
	if (pid < 0)
		viewer_order.failed = -pid;
	atomic_store(&viewer_order.begun, 1);
	if (apart) {
		viewer_process_descriptors();
		grandchild_give_back();
		grandchild_await();
		sys_exit_group(0);
	}
	while (sys0(SYS_getppid) == parent &&
	       sys4(SYS_wait4, -1, NULL, __WALL | WNOHANG, NULL) == 0)
		sys4(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &look, NULL);
	sys_exit_group(0);
}

/* ---- ours ---- */

uint64_t viewer_process_need(uint64_t objects)
{
	return VIEWER_LEAST + VIEWER_OBJECT * objects;
}

static void viewer_process_free(void)
{
	if (viewer_stack)
		sys2(SYS_munmap, viewer_stack, VIEWER_STACK);
	viewer_stack = 0;
	atomic_store(&viewer_keeper, 0);
}

bool viewer_process_runs(void)
{
	bool runs;

	if (!atomic_load(&viewer_keeper))
		return false;
	if (atomic_flag_test_and_set(&viewer_asked))
		return true; /* another thread is about to find out */
	const int pid = atomic_load(&viewer_keeper);
	runs = pid && sys4(SYS_wait4, pid, NULL, __WALL | WNOHANG, NULL) == 0;
	if (pid && !runs)
		viewer_process_free();
	atomic_flag_clear(&viewer_asked);
	return runs;
}

/*
 * Until it runs, or doesn't.  A filter may kill who makes a call that it doesn't know,
 * with a core dump, and before Linux 5.16 everybody dies whose memory that is: where one
 * judges us the keeper is apart.
 */
static int viewer_process_begin(void)
{
	int pid;

	viewer_stack = sys6(SYS_mmap, 0, VIEWER_STACK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_failed(viewer_stack)) {
		pid = (int)viewer_stack;
		viewer_stack = 0;
		return pid;
	}
	pid = spawn_keeper(viewer_order.apart, (void *)viewer_stack, VIEWER_STACK,
			   viewer_process_keep, NULL);
	if (pid < 0) {
		viewer_process_free();
		return pid;
	}
	atomic_store(&viewer_keeper, pid);
	while (!viewer_order.apart && !atomic_load(&viewer_order.begun) &&
	       viewer_process_runs())
		sys_sleep_ms(1);
	return 0;
}

int viewer_process_start(const char *snapshot, const char *summary, uint64_t room)
{
	int rc;

	if (!viewer_path[0] || viewer_process_runs())
		return viewer_path[0] ? -EBUSY : -ENOENT;
	memcpy(viewer_order.argv,
	       (const char *const[]){ viewer_path, "--export", "summary", "--consume",
				      "-o", summary, "--", snapshot, NULL },
	       9 * sizeof(char *));
	memcpy(viewer_order.env,
	       (const char *const[]){ "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
				      viewer_libraries[0] ? viewer_libraries : NULL,
				      NULL },
	       4 * sizeof(char *));
	viewer_order.room = room / 8 * 7;
	viewer_order.apart = spawn_confined();
	viewer_order.parent = sys_getpid();
	viewer_order.failed = 0;
	atomic_store(&viewer_order.begun, 0);
	rc = viewer_process_begin();
	if (rc < 0 || !viewer_order.failed)
		return rc;
	viewer_process_await();
	return -viewer_order.failed;
}

bool viewer_process_await(void)
{
	for (unsigned ms = 0; viewer_process_runs(); ms += VIEWER_LOOK_MS) {
		if (ms >= VIEWER_WAIT_MS)
			return false;
		sys_sleep_ms(VIEWER_LOOK_MS);
	}
	return true;
}

void viewer_process_forget(void)
{
	atomic_flag_clear(&viewer_asked);
	viewer_process_free();
}
