/* SPDX-License-Identifier: MIT */
/* frame - see frame.h. */
#define ZSTD_STATIC_LINKING_ONLY
#include "formats/core/frame.h"

#include <errno.h>
#include <zstd.h>

enum {
	LEVEL = 1, /* 3 gives 2-9 % fewer bytes for 1.3-1.7 times the time */
	/* bytes between two looks for a match, less one; against 4, on a mixed heap:
	 * instructions of zstd 0.74, bytes 1.07; literals are compressed anyway */
	STRIDE = 12,
	/* before, input that stays in place can't be cut (ZSTD_e_flush) */
	CUTS = ZSTD_VERSION_NUMBER >= 10504,
};

size_t frame_memory(void)
{
	return ZSTD_estimateCCtxSize(LEVEL);
}

struct frame *frame_start(void *mem, int *err_ret)
{
	static const struct {
		ZSTD_cParameter what;
		int value;
	} parameters[] = {
		{ ZSTD_c_compressionLevel, LEVEL },
		{ ZSTD_c_targetLength, STRIDE },
		{ ZSTD_c_literalCompressionMode, ZSTD_ps_enable },
		{ ZSTD_c_stableInBuffer, CUTS },
		{ ZSTD_c_stableOutBuffer, CUTS },
	};
	ZSTD_CCtx *const zstd = ZSTD_initStaticCCtx(mem, frame_memory());

	*err_ret = zstd ? 0 : -ENOMEM;
	for (size_t i = 0; zstd && i < sizeof(parameters) / sizeof(parameters[0]); i++)
		if (ZSTD_isError(ZSTD_CCtx_setParameter(zstd, parameters[i].what,
							parameters[i].value)))
			*err_ret = -EINVAL;
	return (struct frame *)zstd;
}

size_t frame_bound(size_t size)
{
	return ZSTD_compressBound(size);
}

size_t frame_compress(struct frame *frame, void *out, size_t out_size, const void *raw,
		      size_t size, const uint32_t *ends, unsigned n)
{
	ZSTD_CCtx *const zstd = (ZSTD_CCtx *)frame;
	ZSTD_outBuffer to = { out, out_size, 0 };
	ZSTD_inBuffer in = { raw, 0, 0 };
	size_t left = 0;

	if (!CUTS || !n) {
		left = ZSTD_compress2(zstd, out, out_size, raw, size);
		return ZSTD_isError(left) ? 0 : left;
	}
	ZSTD_CCtx_reset(zstd, ZSTD_reset_session_only);
	ZSTD_CCtx_setPledgedSrcSize(zstd, size);
	for (unsigned i = 0; i <= n && !ZSTD_isError(left); i++) {
		in.size = i < n ? ends[i] : size;
		left = ZSTD_compressStream2(zstd, &to, &in,
					    i < n ? ZSTD_e_flush : ZSTD_e_end);
	}
	return left ? 0 : to.pos;
}
