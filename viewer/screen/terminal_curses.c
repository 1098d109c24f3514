/* SPDX-License-Identifier: MIT */
/*
 * The real terminal, through ncurses (wide).
 *
 * The surface is compared with nothing: every cell is given to curses, whose
 * own difference to the screen decides what is sent.
 *
 * Leaving: endwin() in destroy; and for signals that end the program, a handler
 * that only writes the strings prepared at start and restores the termios, both
 * async-signal-safe and on a stack of its own, then lets the signal do what it does.
 * SIGTSTP and SIGWINCH are curses' own handlers (curs_initscr(3X)).
 */
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define NCURSES_WIDECHAR 1
#define NCURSES_NOMACROS 1
#include <curses.h>
#include <term.h>

#include "viewer/screen/screen.h"
#include "viewer/screen/terminal.h"

struct curses_terminal {
	struct terminal terminal;
	SCREEN *screen;
	FILE *in; /* /dev/tty, or stdin */
	int in_fd;
	short pairs[9][9]; /* colour pairs made so far, by fg + 1, bg + 1; 0 = none */
	short npairs;
};

static const int fatal[] = {
	SIGHUP, SIGINT,	 SIGQUIT, SIGTERM, SIGSEGV,
	SIGBUS, SIGABRT, SIGFPE,  SIGILL,  SIGXCPU,
};
enum { NFATAL = sizeof(fatal) / sizeof(*fatal) };

/* What the signal handler needs, prepared beforehand; and what was before us. */
static struct {
	int fd;
	struct termios termios;
	char leave[256];
	size_t size;
	struct sigaction actions[NFATAL];
} restore;

static void terminal_curses_on_fatal(int sig)
{
	ssize_t n = write(restore.fd, restore.leave, restore.size);

	(void)n;
	tcsetattr(restore.fd, TCSANOW, &restore.termios);
	for (size_t i = 0; i < NFATAL; i++) { /* as if we had never been there */
		if (fatal[i] == sig)
			sigaction(sig, &restore.actions[i], NULL);
	}
	raise(sig);
}

static void terminal_curses_add_leave(const char *capability)
{
	char name[16];

	snprintf(name, sizeof(name), "%s", capability);
	const char *s = tigetstr(name);
	if (!s || s == (const char *)-1)
		return;
	size_t n = strlen(s);
	if (restore.size + n > sizeof(restore.leave))
		return;
	memcpy(restore.leave + restore.size, s, n);
	restore.size += n;
}

static void terminal_curses_guard(const struct termios *before)
{
	static const char *const capabilities[] = { "sgr0", "cnorm", "rmkx", "rmcup" };
	static const char mouse_off[] = "\033[?1000l\033[?1006l";

	restore.fd = STDOUT_FILENO;
	restore.termios = *before;
	restore.size = 0;
	for (size_t i = 0; i < sizeof(capabilities) / sizeof(*capabilities); i++)
		terminal_curses_add_leave(capabilities[i]);
	if (restore.size + sizeof(mouse_off) <= sizeof(restore.leave)) {
		memcpy(restore.leave + restore.size, mouse_off, sizeof(mouse_off) - 1);
		restore.size += sizeof(mouse_off) - 1;
	}
	struct sigaction action = {
		.sa_handler = terminal_curses_on_fatal,
		.sa_flags = (int)SA_RESETHAND | SA_ONSTACK,
	};
	static char stack[32768]; /* the usual one may have run out */
	sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) }, NULL);
	for (size_t i = 0; i < NFATAL; i++) {
		sigaction(fatal[i], NULL, &restore.actions[i]);
		if (restore.actions[i].sa_handler != SIG_IGN) /* nohup stays nohup */
			sigaction(fatal[i], &action, NULL);
	}
}

static void terminal_curses_unguard(void)
{
	for (size_t i = 0; i < NFATAL; i++)
		sigaction(fatal[i], &restore.actions[i], NULL);
}

static void terminal_curses_size(struct terminal *t, int *width_ret, int *height_ret)
{
	(void)t;
	*width_ret = getmaxx(stdscr);
	*height_ret = getmaxy(stdscr);
}

static int terminal_curses_fd(struct terminal *t)
{
	return ((struct curses_terminal *)t)->in_fd;
}

static const struct {
	wint_t code;
	uint32_t key;
} translations[] = {
	{ KEY_UP, KEY_IS_UP },
	{ KEY_DOWN, KEY_IS_DOWN },
	{ KEY_LEFT, KEY_IS_LEFT },
	{ KEY_RIGHT, KEY_IS_RIGHT },
	{ KEY_PPAGE, KEY_IS_PAGE_UP },
	{ KEY_NPAGE, KEY_IS_PAGE_DOWN },
	{ KEY_HOME, KEY_IS_HOME },
	{ KEY_END, KEY_IS_END },
	{ KEY_BACKSPACE, KEY_IS_BACKSPACE },
	{ KEY_DC, KEY_IS_DELETE },
	{ KEY_BTAB, KEY_IS_BACKTAB },
	{ KEY_ENTER, KEY_IS_ENTER },
	{ KEY_RESIZE, KEY_IS_RESIZE },
	{ KEY_F(1), KEY_IS_F1 },
	{ KEY_F(2), KEY_IS_F2 },
	{ KEY_F(3), KEY_IS_F3 },
	{ KEY_F(4), KEY_IS_F4 },
	{ KEY_F(5), KEY_IS_F5 },
	{ KEY_F(6), KEY_IS_F6 },
	{ KEY_F(7), KEY_IS_F7 },
	{ KEY_F(8), KEY_IS_F8 },
	{ KEY_F(9), KEY_IS_F9 },
	{ KEY_F(10), KEY_IS_F10 },
};

static struct event terminal_curses_mouse_event(void)
{
	MEVENT m;
	struct event e = { .key = KEY_IS_NONE };

	if (getmouse(&m) != OK)
		return e;
	e.y = m.y;
	e.x = m.x;
	if (m.bstate & BUTTON4_PRESSED)
		e.key = KEY_IS_WHEEL_UP;
	else if (m.bstate & BUTTON5_PRESSED)
		e.key = KEY_IS_WHEEL_DOWN;
	else if (m.bstate & (BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON1_DOUBLE_CLICKED))
		e.key = KEY_IS_CLICK;
	e.twice = (m.bstate & BUTTON1_DOUBLE_CLICKED) != 0;
	return e;
}

static struct event terminal_curses_function_key(wint_t code)
{
	if (code == KEY_MOUSE)
		return terminal_curses_mouse_event();
	for (size_t i = 0; i < sizeof(translations) / sizeof(*translations); i++)
		if (translations[i].code == code)
			return (struct event){ .key = translations[i].key };
	return (struct event){ .key = KEY_IS_NONE };
}

static struct event terminal_curses_read(struct terminal *t)
{
	struct curses_terminal *c = (struct curses_terminal *)t;
	wint_t code;

	errno = 0;
	int rc = wget_wch(stdscr, &code);
	if (rc == ERR) {
		bool gone = feof(c->in) || errno == EIO;
		return (struct event){ .key = gone ? KEY_IS_EOF : KEY_IS_NONE };
	}
	if (rc == KEY_CODE_YES)
		return terminal_curses_function_key(code);
	uint32_t key = (uint32_t)code;
	if (key == '\r' || key == '\n')
		key = KEY_IS_ENTER;
	else if (key == 0x7f || key == 0x08)
		key = KEY_IS_BACKSPACE;
	return (struct event){ .key = key };
}

static bool terminal_curses_interrupted(struct terminal *t)
{
	for (;;) {
		struct event e = terminal_curses_read(t);
		if (e.key == KEY_IS_NONE || e.key == KEY_IS_EOF)
			return false;
		if (e.key == KEY_IS_ESC)
			return true;
		if (e.key == KEY_IS_RESIZE) {
			unget_wch(KEY_RESIZE);
			return false;
		}
	}
}

static short terminal_curses_pair_of(struct curses_terminal *c, struct look look)
{
	short *pair = &c->pairs[look.fg + 1][look.bg + 1];

	if (!*pair && c->npairs + 1 < COLOR_PAIRS) {
		*pair = ++c->npairs;
		init_pair(*pair, look.fg, look.bg);
	}
	return *pair;
}

static attr_t terminal_curses_attributes(uint8_t flags)
{
	return (flags & LOOK_BOLD ? A_BOLD : 0) | (flags & LOOK_DIM ? A_DIM : 0) |
		(flags & LOOK_REVERSE ? A_REVERSE : 0) |
		(flags & LOOK_UNDERLINE ? A_UNDERLINE : 0);
}

static void terminal_curses_show_row(struct curses_terminal *c, const struct surface *s,
				     int y)
{
	const struct surface_cell *row = &s->cells[(size_t)y * (size_t)s->width];

	for (int x = 0; x < s->width; x++) {
		if (row[x].ch == 0)
			continue;
		struct look look =
			style_look((enum style)row[x].style, row[x].selected, s->color);
		wchar_t text[2] = { (wchar_t)row[x].ch, 0 };
		cchar_t cc;
		short pair = s->color ? terminal_curses_pair_of(c, look) : 0;
		setcchar(&cc, text, terminal_curses_attributes(look.flags), pair, NULL);
		mvwadd_wch(stdscr, y, x, &cc);
	}
}

static void terminal_curses_show(struct terminal *t, const struct surface *s)
{
	werase(stdscr);
	for (int y = 0; y < s->height && y < getmaxy(stdscr); y++)
		terminal_curses_show_row((struct curses_terminal *)t, s, y);
	wrefresh(stdscr);
}

static void terminal_curses_destroy(struct terminal *t)
{
	struct curses_terminal *c = (struct curses_terminal *)t;

	endwin();
	terminal_curses_unguard();
	delscreen(c->screen);
	if (c->in != stdin)
		fclose(c->in);
	free(c);
}

static const struct terminal_ops curses_ops = {
	.size = terminal_curses_size,
	.fd = terminal_curses_fd,
	.read = terminal_curses_read,
	.interrupted = terminal_curses_interrupted,
	.show = terminal_curses_show,
	.destroy = terminal_curses_destroy,
};

bool terminal_no_color(void)
{
	const char *no = getenv("NO_COLOR");

	return no && *no;
}

static bool terminal_curses_want_color(const struct screen_options *o)
{
	if (o->color == SCREEN_COLOR_NEVER)
		return false;
	if (o->color == SCREEN_COLOR_AUTO && terminal_no_color())
		return false;
	if (!has_colors() || start_color() != OK || COLORS < 8 || COLOR_PAIRS < 32)
		return false; /* start_color(3X) sets COLORS and COLOR_PAIRS */
	return use_default_colors() == OK;
}

static void terminal_curses_prepare(struct curses_terminal *c,
				    const struct screen_options *o)
{
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	meta(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	c->terminal.color = terminal_curses_want_color(o);
	c->terminal.utf8 = o->charset == SCREEN_CHARSET_UTF8 ||
		(o->charset == SCREEN_CHARSET_AUTO &&
		 strcmp(nl_langinfo(CODESET), "UTF-8") == 0);
	if (!o->no_mouse) {
		mousemask(BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON1_DOUBLE_CLICKED |
				  BUTTON4_PRESSED | BUTTON5_PRESSED,
			  NULL);
		mouseinterval(0);
	}
}

static FILE *terminal_curses_open_input(void)
{
	return isatty(STDIN_FILENO) ? stdin : fopen("/dev/tty", "r+e");
}

bool screen_possible(void)
{
	const char *term = getenv("TERM");

	if (!isatty(STDOUT_FILENO) || !term || !*term)
		return false;
	int rc;
	if (setupterm(term, STDOUT_FILENO, &rc) != OK)
		return false;
	bool able = tigetstr((char[]){ "cup" }) != NULL;
	del_curterm(cur_term); /* newterm(3X) makes its own */
	return able;
}

struct terminal *terminal_curses(const struct screen_options *o, const char **why)
{
	struct termios before;
	struct curses_terminal *c = calloc(1, sizeof(*c));

	*why = "out of memory";
	if (!c)
		return NULL;
	*why = "no terminal to draw on";
	c->in = isatty(STDOUT_FILENO) ? terminal_curses_open_input() : NULL;
	if (!c->in || tcgetattr(STDOUT_FILENO, &before) < 0)
		goto fail;
	c->in_fd = fileno(c->in);
	*why = "the terminal type (TERM) is unknown to terminfo";
	c->screen = newterm(NULL, stdout, c->in);
	if (!c->screen)
		goto fail;
	set_term(c->screen);
	c->terminal.ops = &curses_ops;
	terminal_curses_prepare(c, o);
	terminal_curses_guard(&before);
	return &c->terminal;
fail:
	if (c->in && c->in != stdin)
		fclose(c->in);
	free(c);
	return NULL;
}
