/* SPDX-License-Identifier: MIT */
/* The triggers that watch memory: their variables, limits, events, cool-down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>

#include "agent/trigger/allowance.h"
#include "agent/trigger/config.h"
#include "agent/trigger/manner.h"
#include "agent/trigger/pressure.h"
#include "agent/trigger/room.h"

/* Does a variable that takes these two values have them? */
static bool memory_took(const struct trigger_config *c, uint64_t a, uint64_t b)
{
	const uint64_t got[][2] = {
		{ c->limit_percent, 0 },
		{ c->stall_ns, c->window_ns },
		{ c->growth_bytes, c->growth_ns },
		{ c->snapshots, c->cooldown_ns },
		{ c->cooldown_ns, c->limit_percent },
		{ c->keep_bytes, 0 },
		{ c->reserve_bytes, c->reserve_set },
	};

	for (size_t i = 0; i < sizeof(got) / sizeof(got[0]); i++) {
		if (got[i][0] == a && got[i][1] == b)
			return true;
	}
	return false;
}

static void test_config_memory(void **state)
{
	static const struct {
		const char *var;
		bool good;
		uint64_t a, b; /* of whatever the variable sets */
	} cases[] = {
		{ "PYMEM_LIMIT=90%", true, 90, 0 },
		{ "PYMEM_LIMIT=1G", false, 0, 0 },
		{ "PYMEM_LIMIT=0%", false, 0, 0 },
		{ "PYMEM_PRESSURE=1", true, 150000000, 2000000000 },
		{ "PYMEM_PRESSURE=70ms/1s", true, 70000000, 1000000000 },
		{ "PYMEM_PRESSURE=2s/1s", false, 0, 0 },
		{ "PYMEM_PRESSURE=1s/60s", false, 0, 0 },
		{ "PYMEM_PRESSURE=150ms", false, 0, 0 },
		{ "PYMEM_GROWTH=100M/10m", true, 100u << 20, 600000000000 },
		{ "PYMEM_GROWTH=100M", false, 0, 0 },
		{ "PYMEM_GROWTH=0/10m", false, 0, 0 },
		{ "PYMEM_GROWTH=100M/10ms", false, 0, 0 },
		{ "PYMEM_COOLDOWN=0", true, 0, 0 },
		{ "PYMEM_COOLDOWN=-1", false, 0, 0 },
		{ "PYMEM_SNAPSHOTS=3", true, 3, 300000000000 },
		{ "PYMEM_SNAPSHOTS=0", false, 0, 0 },
		{ "PYMEM_KEEP_BYTES=2G", true, 2ull << 30, 0 },
		{ "PYMEM_KEEP_BYTES=2X", false, 0, 0 },
		{ "PYMEM_RESERVE=16M", true, 16u << 20, 1 },
		{ "PYMEM_RESERVE=0", true, 0, 1 },
		{ "PYMEM_RESERVE=1", true, 0, 0 },
		{ "PYMEM_RESERVE=none", false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const env[] = { "PYMEM_OUTPUT=/tmp/x", "PYMEM_AT_EXIT=1",
					    cases[i].var, NULL };
		struct trigger_config c;
		char err[256];
		const int rc =
			config_read((char *const *)(uintptr_t)env, &c, err, sizeof(err));

		if (rc != (cases[i].good ? 1 : -1))
			fail_msg("%s gave %d (%s)", cases[i].var, rc, err);
		if (!cases[i].good)
			continue;
		if (!memory_took(&c, cases[i].a, cases[i].b))
			fail_msg("%s was not understood", cases[i].var);
	}
}

static void test_limit_room(void **state)
{
	uint64_t limit = 0, used = 0;

	(void)state;
	room_read(&limit, &used);
	assert_true(limit > 1u << 24 && limit < 1ull << 50);
	assert_true(used > 0 && used <= limit);
}

static void test_pressure_events(void **state)
{
	(void)state;
	assert_int_equal(pressure_events("low 7\nhigh 3\nmax 4\noom 1\noom_kill 50\n"
					 "oom_group_kill 60\n"),
			 8);
	assert_int_equal(pressure_events("low 0\nhigh 0\nmax 0\noom 0\n"), 0);
	assert_int_equal(pressure_events(""), 0);
	assert_int_equal(pressure_events("high x\nmax"), 0);
}

static void test_allowance(void **state)
{
	struct trigger_config c = { .cooldown_ns = 1ull << 60, .snapshots = 4 };

	(void)state;
	allowance_forget();
	assert_true(allowance_take(&c, ALLOWANCE_LIMIT));
	assert_false(allowance_take(&c, ALLOWANCE_LIMIT));
	assert_true(allowance_take(&c, ALLOWANCE_GROWTH)); /* each cause its own */
	assert_true(allowance_take(&c, ALLOWANCE_ASKED));
	assert_true(allowance_take(&c, ALLOWANCE_ASKED));
	assert_false(allowance_take(&c, ALLOWANCE_ASKED)); /* the fifth */
	allowance_forget();
	c.cooldown_ns = 0;
	assert_true(allowance_take(&c, ALLOWANCE_LIMIT));
	assert_true(allowance_take(&c, ALLOWANCE_LIMIT));
}

/* What the manners need is in manner.h; from one on, none before it is taken. */
static void test_manner(void **state)
{
	const uint64_t mib = 1 << 20;

	(void)state;
	assert_int_equal(manner_for(MANNER_COPY, 64 * mib, 400 * mib), MANNER_COPY);
	assert_int_equal(manner_for(MANNER_COPY, 63 * mib, 400 * mib), MANNER_STILL);
	assert_int_equal(manner_for(MANNER_STILL, 64 * mib, 400 * mib), MANNER_STILL);
	assert_int_equal(manner_for(MANNER_COPY, 31 * mib, 400 * mib), MANNER_IN_PLACE);
	assert_int_equal(manner_for(MANNER_COPY, 22 * mib, 400 * mib), MANNER_SUMMARY);
	assert_int_equal(manner_for(MANNER_COPY, 0, 0), MANNER_SUMMARY);
	assert_int_equal(manner_for(MANNER_SUMMARY, 1 << 30, mib), MANNER_SUMMARY);
}

static void test_reserve_size(void **state)
{
	struct trigger_config c = { .cooldown_ns = 1 };
	const uint64_t mib = 1 << 20;

	(void)state;
	assert_int_equal(manner_reserve_size(&c, 400 * mib), 0); /* nothing needs it */
	c.memory_error = true;
	assert_int_equal(manner_reserve_size(&c, 400 * mib), 22 * mib);
	assert_int_equal(manner_reserve_size(&c, 64 * mib), 4 * mib);
	assert_int_equal(manner_reserve_size(&c, 64ull << 30), 32 * mib);
	c.reserve_set = true;
	assert_int_equal(manner_reserve_size(&c, 400 * mib), 0);
	c.reserve_bytes = 5 * mib;
	assert_int_equal(manner_reserve_size(&c, 64 * mib), 5 * mib);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_memory),
		cmocka_unit_test(test_limit_room),
		cmocka_unit_test(test_pressure_events),
		cmocka_unit_test(test_allowance),
		cmocka_unit_test(test_manner),
		cmocka_unit_test(test_reserve_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
