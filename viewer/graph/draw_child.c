/* SPDX-License-Identifier: MIT */
/*
 * In the child.  libgvc and libcgraph are opened by name; their plugins are
 * given to libgvc as built-ins when they lie where its package puts them, so
 * that a missing or stale plugin registry (config6a) does no harm; otherwise
 * libgvc looks for itself.
 *
 * A static program opens no library (PYMEM_STATIC): it runs the program dot.
 *
 * Messages come through agseterrf in fragments ("Error", ": ", text): they are
 * gathered, and the first lines are told to the parent.
 */
#include "viewer/graph/draw_child.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <graphviz/gvc.h>
#include <graphviz/gvcext.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "viewer/files/files.h"

#ifdef PYMEM_STATIC
enum { STATIC = true };
#define NO_LIBRARY "this pymem-view is static and opens no library"
#else
enum { STATIC = false };
#define NO_LIBRARY "libgvc is not installed (Debian: libgvc6)"
#endif

static int words = -1;
static char gathered[400];

static _Noreturn void draw_child_fail(const char *what)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "Graphviz: %s%s%.350s", what,
			 gathered[0] ? ": " : "", gathered);
	ssize_t written = write(words, text,
				(size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);

	(void)written;
	_exit(1);
}

/* Control characters (the messages quote the input) do not go further. */
static int draw_child_gather(char *fragment)
{
	size_t n = strlen(gathered);

	for (; *fragment && n < sizeof(gathered) - 1; fragment++) {
		bool plain = *fragment >= 0x20 && *fragment < 0x7f;
		gathered[n++] = plain ? *fragment : ' ';
	}
	gathered[n] = 0;
	return 0;
}

/* Bytes mapped now: the limit comes on top (RLIMIT_AS counts everything). */
static uint64_t draw_child_mapped(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f) {
		if (fscanf(f, "%lu", &pages) != 1)
			pages = 0;
		fclose(f);
	}
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void draw_child_limit(const struct draw_limits *limits)
{
	uint64_t bytes = draw_child_mapped() + limits->memory;
	rlim_t seconds = limits->cpu_ms / 1000 + 2;

	setrlimit(RLIMIT_AS, &(struct rlimit){ bytes, bytes });
	setrlimit(RLIMIT_CPU, &(struct rlimit){ seconds, seconds });
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	setpriority(PRIO_PROCESS, 0, 5);
}

/* The terminal and its signals are the parent's. */
static void draw_child_leave_terminal(void)
{
	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			signal(sig, SIG_DFL);
	signal(SIGINT, SIG_IGN);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd);
}

/* The functions used, by the prototypes of the headers. */
static struct {
	__typeof__(&gvContextPlugins) gvContextPlugins;
	__typeof__(&gvContext) gvContext;
	__typeof__(&gvLayout) gvLayout;
	__typeof__(&gvRender) gvRender;
	__typeof__(&agmemread) agmemread;
	__typeof__(&agseterrf) agseterrf;
	__typeof__(&agseterr) agseterr;
} gv;

#define BIND(library, name) \
	do { \
		void *symbol_ = dlsym(library, #name); \
		if (!symbol_) \
			draw_child_fail("its library lacks " #name); \
		memcpy(&gv.name, &symbol_, sizeof(symbol_)); \
	} while (0)

/* What the header is of, then what other releases have; NULL: none is installed. */
static void *draw_child_library(void)
{
	static const char *const names[] = { PYMEM_GVC_SONAME, "libgvc.so.7",
					     "libgvc.so.6", "libgvc.so" };
	void *gvc = NULL;

	for (size_t i = 0; !STATIC && i < sizeof(names) / sizeof(names[0]) && !gvc; i++)
		gvc = dlopen(names[i], RTLD_NOW | RTLD_GLOBAL);
	return gvc;
}

static void draw_child_bind(void *gvc)
{
	BIND(gvc, gvContextPlugins);
	BIND(gvc, gvContext);
	BIND(gvc, gvLayout);
	BIND(gvc, gvRender);
	BIND(gvc, agmemread); /* of libcgraph, which libgvc depends on */
	BIND(gvc, agseterrf);
	BIND(gvc, agseterr);
}

/* Without the library: the program, which reads the graph from a file without a name. */
static _Noreturn void draw_child_program(const char *dot, const char *engine,
					 const char *format, int out)
{
	char layout[32], output[32];
	int in = memfd_create("graph", 0);

	if (in < 0 || files_write(in, dot, strlen(dot)) || lseek(in, 0, SEEK_SET) < 0 ||
	    dup2(in, 0) < 0 || dup2(out, 1) < 0)
		draw_child_fail("no memory for the graph");
	snprintf(layout, sizeof(layout), "-K%s", engine);
	snprintf(output, sizeof(output), "-T%s", format);
	fcntl(words, F_SETFD, 0); /* open as long as it works: it is waited for */
	execlp("dot", "dot", layout, output, (char *)NULL);
	if (errno == EPERM) /* the filter of viewer/files */
		draw_child_fail(NO_LIBRARY ", and a viewer on the screen, or run by "
					   "root, starts no program; a .dot file can be "
					   "written without");
	draw_child_fail(NO_LIBRARY ", and the program dot is not there either (Debian: "
				   "graphviz); a .dot file can be written without");
}

static const struct {
	const char *file, *symbol;
} plugins[] = {
	{ "libgvplugin_dot_layout.so.6", "gvplugin_dot_layout_LTX_library" },
	{ "libgvplugin_neato_layout.so.6", "gvplugin_neato_layout_LTX_library" },
	{ "libgvplugin_core.so.6", "gvplugin_core_LTX_library" },
	{ "libgvplugin_pango.so.6", "gvplugin_pango_LTX_library" },
};
enum { NPLUGINS = sizeof(plugins) / sizeof(*plugins) };

/* Fills table with the plugins beside libgvc; false when one is not there. */
static bool draw_child_load_plugins(void *gvc, lt_symlist_t table[NPLUGINS + 1])
{
	struct link_map *map = NULL;
	char path[4200];

	if (dlinfo(gvc, RTLD_DI_LINKMAP, &map) < 0 || !map || !strrchr(map->l_name, '/'))
		return false;
	int directory = (int)(strrchr(map->l_name, '/') - map->l_name);
	for (int i = 0; i < NPLUGINS; i++) {
		snprintf(path, sizeof(path), "%.*s/graphviz/%s", directory, map->l_name,
			 plugins[i].file);
		void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
		void *symbol = library ? dlsym(library, plugins[i].symbol) : NULL;
		if (!symbol)
			return false;
		table[i] = (lt_symlist_t){ plugins[i].symbol, symbol };
	}
	table[NPLUGINS] = (lt_symlist_t){ 0 };
	return true;
}

bool draw_child_by_program(void)
{
	return !draw_child_library();
}

_Noreturn void draw_child(const char *dot, const char *engine, const char *format,
			  int out, const struct draw_limits *limits, int words_fd)
{
	static lt_symlist_t table[NPLUGINS + 1];

	words = words_fd;
	draw_child_leave_terminal();
	draw_child_limit(limits);
	void *const library = draw_child_library();
	if (!library)
		draw_child_program(dot, engine, format, out);
	draw_child_bind(library);
	gv.agseterrf(draw_child_gather);
	gv.agseterr(AGERR);
	GVC_t *context = draw_child_load_plugins(library, table) ?
		gv.gvContextPlugins(table, 0) :
		gv.gvContext();
	if (!context)
		draw_child_fail("no context");
	Agraph_t *graph = gv.agmemread(dot);
	if (!graph)
		draw_child_fail("cannot read the graph");
	if (gv.gvLayout(context, graph, engine) != 0)
		draw_child_fail("cannot lay the graph out");
	FILE *const file = fdopen(out, "w");
	if (!file || gv.gvRender(context, graph, format, file) != 0 || fflush(file) != 0)
		draw_child_fail("cannot draw the graph");
	_exit(0);
}
