/* SPDX-License-Identifier: MIT */
/* torture_registers - see torture_registers.h. */
#include "torture_registers.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

#ifdef __x86_64__
/* 0 = everything survived a long loop in user mode. */
static int spin_avx512(void)
{
	uint64_t in[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, z[8], y[4], x[2];
	uint64_t mask = 0xa5a5;
	__asm__ volatile(
		"vmovdqu64 %[in], %%zmm16\n vmovdqu %[in], %%ymm1\n movdqu %[in], "
		"%%xmm2\n"
		"kmovq %[mask], %%k3\n mov $300000, %%ecx\n 1: dec %%ecx\n jnz 1b\n"
		"vmovdqu64 %%zmm16, %[z]\n vmovdqu %%ymm1, %[y]\n vmovdqu %%xmm2, %[x]\n"
		"kmovq %%k3, %[mask]\n vzeroupper\n"
		: [z] "=m"(z), [y] "=m"(y), [x] "=m"(x), [mask] "+r"(mask)
		: [in] "m"(in)
		: "rcx", "xmm1", "xmm2", "cc");
	return memcmp(z, in, 64) || memcmp(y, in, 32) || memcmp(x, in, 16) ||
		mask != 0xa5a5;
}

static int spin_sse(void)
{
	uint64_t in[2] = { 0x1122334455667788, 99 }, x[2];
	uint64_t flags, red;
	double st;
	uint32_t before, after;
	__asm__ volatile("stmxcsr %0" : "=m"(before));
	__asm__ volatile(
		"movdqu %[in], %%xmm2\n fldpi\n movq $0x5a5a, -64(%%rsp)\n std\n"
		"mov $300000, %%ecx\n 1: dec %%ecx\n jnz 1b\n"
		"pushfq\n pop %[flags]\n cld\n mov -64(%%rsp), %[red]\n fstpl %[st]\n"
		"movdqu %%xmm2, %[x]\n"
		: [x] "=m"(x), [flags] "=&r"(flags), [red] "=&r"(red), [st] "=m"(st)
		: [in] "m"(in)
		: "rcx", "xmm2", "cc", "memory");
	__asm__ volatile("stmxcsr %0" : "=m"(after));
	return memcmp(x, in, 16) || !(flags & 0x400) || red != 0x5a5a ||
		before != after || st < 3.14159 || st > 3.1416;
}

const char *torture_registers_changed(void)
{
	__builtin_cpu_init();
	const bool wide =
		__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");

	errno = 4711;
	if (wide && spin_avx512())
		return "a vector or mask register changed";
	if (spin_sse())
		return "xmm, x87, mxcsr, the red zone or DF changed";
	return errno != 4711 ? "errno changed" : NULL;
}

bool torture_registers_known(void)
{
	return true;
}
#elif defined(__aarch64__)
#define EACH_8(a, b, c, d, e, f, g, h, what) \
	what(a) what(b) what(c) what(d) what(e) what(f) what(g) what(h)
#define EACH_32(what) \
	EACH_8("0", "1", "2", "3", "4", "5", "6", "7", what) \
	EACH_8("8", "9", "10", "11", "12", "13", "14", "15", what) \
	EACH_8("16", "17", "18", "19", "20", "21", "22", "23", what) \
	EACH_8("24", "25", "26", "27", "28", "29", "30", "31", what)
#define EACH_16(what) \
	EACH_8("0", "1", "2", "3", "4", "5", "6", "7", what) \
	EACH_8("8", "9", "10", "11", "12", "13", "14", "15", what)
#define VECTORS \
	"v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", \
		"v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", \
		"v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31"
#define SPIN "mov w9, 0x40000\n 1: sub w9, w9, 1\n cbnz w9, 1b\n"
#define SATURATED (1u << 27) /* FPSR.QC */
#define FLAGS (0xaull << 28) /* N and C */

/* 0 = everything survived a long loop in user mode. */
static int spin_neon(void)
{
	static uint8_t in[512], out[512];
	uint64_t status = SATURATED, flags = FLAGS;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7 + 1);
#define LOAD(n) "ldr q" n ", [%[in], " n " * 16]\n"
#define STORE(n) "str q" n ", [%[out], " n " * 16]\n"
	__asm__ volatile(
		EACH_32(LOAD) "msr fpsr, %[status]\n msr nzcv, %[flags]\n" SPIN
			      "mrs %[flags], nzcv\n mrs %[status], fpsr\n" EACH_32(STORE)
		: [status] "+r"(status), [flags] "+r"(flags)
		: [in] "r"(in), [out] "r"(out)
		: "x9", "cc", "memory", VECTORS);
#undef LOAD
#undef STORE
	return memcmp(in, out, sizeof(in)) || !(status & SATURATED) || flags != FLAGS;
}

/* The same for Z0-31, P0-15 and FFR, as long as they are here. */
static int spin_sve(void)
{
	static uint8_t in[32 * 256], out[32 * 256], predicates[16 * 32], seen[16 * 32];
	static uint8_t faults[2][32];
	uint64_t length, five = 5;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 5 + 3);
	for (size_t i = 0; i < sizeof(predicates); i++)
		predicates[i] = (uint8_t)(i * 3 + 1);
#define LOAD(n) "ldr z" n ", [%[in], #" n ", mul vl]\n"
#define STORE(n) "str z" n ", [%[out], #" n ", mul vl]\n"
#define LOAD_P(n) "ldr p" n ", [%[predicates], #" n ", mul vl]\n"
#define STORE_P(n) "str p" n ", [%[seen], #" n ", mul vl]\n"
	__asm__ volatile(
		".arch_extension sve\n rdvl %[length], 1\n"
		"whilelo p0.b, xzr, %[five]\n wrffr p0.b\n"
		"str p0, [%[before]]\n" EACH_32(LOAD) EACH_16(LOAD_P) SPIN EACH_32(STORE)
			EACH_16(STORE_P) "rdffr p0.b\n str p0, [%[after]]\n "
					 ".arch_extension nosve\n"
		: [length] "=&r"(length)
		: [in] "r"(in), [out] "r"(out), [predicates] "r"(predicates),
		  [seen] "r"(seen), [before] "r"(faults[0]), [after] "r"(faults[1]),
		  [five] "r"(five)
		: "x9", "cc", "memory", VECTORS);
#undef LOAD
#undef STORE
#undef LOAD_P
#undef STORE_P
	return memcmp(in, out, 32 * length) ||
		memcmp(predicates, seen, 16 * (length / 8)) ||
		memcmp(faults[0], faults[1], length / 8);
}

const char *torture_registers_changed(void)
{
	const bool wide = getauxval(AT_HWCAP) & HWCAP_SVE;

	errno = 4711;
	if (wide && spin_sve())
		return "an SVE register changed";
	if (spin_neon())
		return "a vector register, fpsr or nzcv changed";
	return errno != 4711 ? "errno changed" : NULL;
}

bool torture_registers_known(void)
{
	return true;
}
#else
const char *torture_registers_changed(void)
{
	return NULL;
}

bool torture_registers_known(void)
{
	return false;
}
#endif
