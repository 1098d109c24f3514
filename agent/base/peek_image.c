/* SPDX-License-Identifier: MIT */
/* peek_image - see peek_image.h. */
#include "agent/base/peek_image.h"

#include <string.h>
#include <sys/mman.h>

#include "agent/base/peek.h"

static struct {
	const struct peek_segment *segments;
	size_t count, last;
	peek_source_fn *source;
	uint64_t missing;
	void *zeros; /* what is missing reads so */
	uint64_t zeros_size;
} peek_image;

struct peek_segment peek_image_kept;

void peek_image_keep(const struct peek_segment *piece)
{
	peek_image_kept = piece ? *piece : (struct peek_segment){ 0 };
}

static const unsigned char *peek_image_find(uint64_t addr, uint64_t size,
					    uint64_t *more_ret)
{
	size_t low = 0, high = peek_image.count;
	const struct peek_segment *s;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (peek_image.segments[middle].start +
			    peek_image.segments[middle].size <=
		    addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == peek_image.count)
		return NULL;
	s = &peek_image.segments[low];
	if (addr < s->start || size > s->start + s->size - addr)
		return NULL;
	*more_ret = s->start + s->size - addr;
	return s->bytes + (addr - s->start);
}

void peek_image_ask(peek_source_fn *source)
{
	peek_image.missing = 0;
	peek_image.source = source;
	peek_image_keep(NULL);
}

void peek_image_set(const struct peek_segment *segments, size_t count)
{
	peek_image.segments = segments;
	peek_image.count = count;
	peek_image_ask(peek_image_find);
}

uint64_t peek_image_missing(void)
{
	return peek_image.missing;
}

static const unsigned char *peek_image_get(uint64_t addr, uint64_t size,
					   uint64_t *more_ret)
{
	const unsigned char *bytes =
		peek_image.source ? peek_image.source(addr, size, more_ret) : NULL;

	if (!bytes)
		peek_image.missing++;
	return bytes;
}

uint64_t peek_image_word(uint64_t addr, unsigned size)
{
	uint64_t v = 0, more;
	const unsigned char *bytes = peek_image_get(addr, size, &more);

	if (bytes)
		memcpy(&v, bytes, size);
	return v;
}

/* Zeros as many as wanted; they take no memory. */
static const void *peek_image_zeros(uint64_t size)
{
	void *mem;

	if (size <= peek_image.zeros_size)
		return peek_image.zeros;
	mem = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		   0);
	if (mem == MAP_FAILED)
		return NULL;
	peek_image.zeros = mem; /* the old ones may be in use */
	peek_image.zeros_size = size;
	return mem;
}

const void *peek_image_bytes(uint64_t addr, uint64_t size)
{
	uint64_t more;
	const unsigned char *bytes = size ? peek_image_get(addr, size, &more) : NULL;

	return bytes ? bytes : peek_image_zeros(size ? size : 1);
}

const char *peek_image_text(uint64_t addr)
{
	uint64_t more = 0;
	const unsigned char *bytes = peek_image_get(addr, 1, &more);

	return bytes && memchr(bytes, 0, more) ? (const char *)bytes : "";
}

bool peek_safe(uint64_t addr, void *buf, size_t size)
{
	uint64_t more;
	const unsigned char *bytes =
		peek_image.source && size ? peek_image.source(addr, size, &more) : NULL;

	if (bytes)
		memcpy(buf, bytes, size);
	return bytes || !size;
}

bool peek_safe64(uint64_t addr, uint64_t *ret)
{
	return peek_safe(addr, ret, sizeof(*ret));
}

bool peek_safe_text(uint64_t addr, char *buf, size_t size)
{
	for (size_t i = 0; i + 1 < size; i++) {
		if (!peek_safe(addr + i, buf + i, 1))
			return false;
		if (!buf[i])
			return true;
	}
	buf[size - 1] = 0;
	return true;
}

void peek_be_alone(void)
{
}

void peek_forget(void)
{
}
