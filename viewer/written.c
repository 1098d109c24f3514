/* SPDX-License-Identifier: MIT */
/* written - see written.h. */
#include "viewer/written.h"

#include <assert.h>
#include <sys/types.h>

#include "viewer/text/human.h"

enum {
	WRITTEN_STEP = 4 << 20, /* bytes between two words of progress */
	WRITTEN_BUFFER = 64 << 10,
};

static ssize_t written_pass(void *arg, const char *data, size_t size)
{
	struct written *const w = arg;
	const uint64_t before = w->size;
	char phase[64], human[HUMAN_SIZE];

	if (fwrite(data, 1, size, w->out) != size)
		return 0;
	w->size += size;
	if (before / WRITTEN_STEP != w->size / WRITTEN_STEP) {
		snprintf(phase, sizeof(phase), "exporting: %s written",
			 human_bytes_u64(human, w->size));
		progress_step(w->progress, phase, 0, 0);
	}
	return (ssize_t)size;
}

FILE *written_open(struct written *written, FILE *out, const struct progress *progress)
{
	assert(out && progress);
	*written = (struct written){ .out = out, .progress = progress };
	FILE *const f = fopencookie(written, "w",
				    (cookie_io_functions_t){ .write = written_pass });

	if (f)
		(void)setvbuf(f, NULL, _IOFBF, WRITTEN_BUFFER);
	return f;
}
