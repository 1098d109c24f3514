/* SPDX-License-Identifier: MIT */
/* progress_line - see progress_line.h. */
#include "loader/command/progress_line.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "formats/text/escape.h"
#include "formats/text/print.h"
#include "loader/base/clock.h"
#include "loader/capture/receive.h"
#include "loader/base/amount.h"

static struct {
	bool tty, debug, muted, drawn;
	uint64_t opened;
} progress;

void progress_line_open(bool quiet, bool debug)
{
	progress.tty = !quiet && !debug && isatty(STDERR_FILENO);
	progress.debug = debug;
	progress.opened = clock_now();
}

static unsigned progress_line_width(void)
{
	struct winsize w;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 10)
		return w.ws_col;
	return 80;
}

void progress_line_show(const char *label, const char *phase, uint64_t objects,
			uint64_t bytes)
{
	char line[512], safe[512], count[32], size[24];

	if (!progress.tty || progress.muted)
		return;
	snprintf(line, sizeof(line), "pymem-load: %s: %s%s%s objects, %s", label, phase,
		 *phase ? ", " : "", amount_count(count, objects),
		 amount_bytes(size, bytes));
	/* Bytes, not columns: a phase is ASCII in practice; a wide one is cut early. */
	const unsigned w = progress_line_width();
	escape_copy(safe, w < sizeof(safe) ? w : sizeof(safe), line, strlen(line));
	print_format(stderr, "\r%s\033[K", safe);
	progress.drawn = true;
}

void progress_line_wipe(void)
{
	if (progress.drawn)
		print_format(stderr, "\r\033[K");
	progress.drawn = false;
}

void progress_line_mute(void)
{
	progress_line_wipe();
	progress.muted = true;
}

void progress_line_unmute(void)
{
	progress.muted = false;
}

void progress_line_log(void *arg, const char *line)
{
	const uint64_t t = clock_now() - progress.opened;

	if (!progress.debug || progress.muted)
		return;
	print_format(stderr, "[%8.3f ms] %s%s%s\n", (double)t / 1e6,
		     arg ? (const char *)arg : "", arg ? ": " : "", line);
}
