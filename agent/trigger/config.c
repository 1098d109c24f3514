/* SPDX-License-Identifier: MIT */
/* config - see config.h. */
#include "agent/trigger/config.h"

#include <signal.h>
#include <string.h>

#include "agent/base/sys.h"
#include "agent/base/phrase.h"
#include "formats/core/sink.h"

/* Not those by which a process is ended or stopped: we would swallow them. */
static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "HUP", SIGHUP },   { "USR1", SIGUSR1 },   { "USR2", SIGUSR2 },
	{ "ALRM", SIGALRM }, { "CONT", SIGCONT },   { "URG", SIGURG },
	{ "XCPU", SIGXCPU }, { "XFSZ", SIGXFSZ },   { "VTALRM", SIGVTALRM },
	{ "PROF", SIGPROF }, { "WINCH", SIGWINCH }, { "IO", SIGIO },
	{ "PWR", SIGPWR },
};

/* First real-time signal that glibc leaves to applications, the last one, and the one
 * that is taken when none is named: no program was found that uses it. */
enum { CONFIG_RTMIN = 34, CONFIG_RTMAX = 64, CONFIG_OWN = CONFIG_RTMIN + 5 };

/* What PYMEM_PRESSURE=1 asks of memory.pressure: psi.rst's own example, with a window
 * that needs no privilege (a multiple of 2 s). */
#define CONFIG_STALL_NS 150000000ull
#define CONFIG_WINDOW_NS 2000000000ull
#define CONFIG_COOLDOWN_NS 300000000000ull

static bool config_parse_flag(const char *s, bool *ret);

static bool config_parse_signal(const char *s, struct trigger_config *c)
{
	bool own = false;
	uint64_t n = 0;

	if (config_parse_flag(s, &own)) {
		c->signal = own ? CONFIG_OWN : 0;
		return true;
	}
	if (strncmp(s, "SIG", 3) == 0)
		s += 3;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (strcmp(s, signals[i].name) == 0) {
			c->signal = signals[i].number;
			return true;
		}
	}
	if (strncmp(s, "RTMIN", 5) == 0) {
		s += 5;
		if (*s && (*s++ != '+' || !phrase_parse_u64(&s, &n)))
			return false;
		n += CONFIG_RTMIN;
		c->signal = (int)n;
		return !*s && n <= CONFIG_RTMAX;
	}
	if (!phrase_parse_u64(&s, &n) || *s)
		return false;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (signals[i].number == (int)n)
			c->signal = (int)n;
	}
	if (n >= CONFIG_RTMIN && n <= CONFIG_RTMAX)
		c->signal = (int)n;
	return c->signal != 0;
}

bool config_signal_is_borrowed(int sig)
{
	return sig && sig < CONFIG_RTMIN && sig != SIGCONT && sig != SIGURG &&
		sig != SIGWINCH;
}

/* A time; false: none, or too long. */
static bool config_parse_time(const char *s, uint64_t *ns_ret)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {
		{ "", 1000000000 },	 { "s", 1000000000 },	 { "ms", 1000000 },
		{ "m", 60000000000 },	 { "min", 60000000000 }, { "h", 3600000000000 },
		{ "d", 86400000000000 },
	};
	uint64_t n;

	if (!phrase_parse_u64(&s, &n))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(s, units[i].unit) == 0)
			return !__builtin_mul_overflow(n, units[i].ns, ns_ret) &&
				*ns_ret < (1ULL << 62);
	}
	return false;
}

static bool config_parse_interval(const char *s, struct trigger_config *c)
{
	return config_parse_time(s, &c->interval_ns) && c->interval_ns >= 100000000;
}

static bool config_parse_cooldown(const char *s, struct trigger_config *c)
{
	return config_parse_time(s, &c->cooldown_ns);
}

/* A size from the start of *s, which is left after it. */
static bool config_parse_size(const char **s, uint64_t *ret)
{
	static const char letters[] = "KMGT";
	const char *letter;

	if (!phrase_parse_u64(s, ret) || !*ret)
		return false;
	if (**s && (letter = strchr(letters, **s & ~0x20))) {
		const unsigned shift = 10u * (unsigned)(letter - letters + 1);

		if (*ret >> (63 - shift))
			return false;
		*ret <<= shift;
		++*s;
		if (**s == 'i')
			++*s;
	}
	if (**s == 'B')
		++*s;
	return true;
}

static bool config_parse_percent(const char *s, uint32_t *ret)
{
	uint64_t n;

	if (!phrase_parse_u64(&s, &n) || strcmp(s, "%") != 0 || !n || n > 100)
		return false;
	*ret = (uint32_t)n;
	return true;
}

static bool config_parse_rss(const char *s, struct trigger_config *c)
{
	if (config_parse_percent(s, &c->rss_percent))
		return true;
	return config_parse_size(&s, &c->rss_bytes) && !*s;
}

static bool config_parse_limit(const char *s, struct trigger_config *c)
{
	return config_parse_percent(s, &c->limit_percent);
}

/* "STALL/WINDOW" as the kernel takes it (psi.rst), or a flag. */
static bool config_parse_pressure(const char *s, struct trigger_config *c)
{
	char stall[32];
	const char *const slash = strchr(s, '/');
	bool on = false;

	if (config_parse_flag(s, &on)) {
		c->stall_ns = on ? CONFIG_STALL_NS : 0;
		c->window_ns = CONFIG_WINDOW_NS;
		return true;
	}
	if (!slash || (size_t)(slash - s) >= sizeof(stall))
		return false;
	memcpy(stall, s, (size_t)(slash - s));
	stall[slash - s] = '\0';
	return config_parse_time(stall, &c->stall_ns) &&
		config_parse_time(slash + 1, &c->window_ns) && c->stall_ns >= 1000000 &&
		c->stall_ns <= c->window_ns && c->window_ns >= 500000000 &&
		c->window_ns <= 10000000000;
}

static bool config_parse_growth(const char *s, struct trigger_config *c)
{
	return config_parse_size(&s, &c->growth_bytes) && *s == '/' &&
		config_parse_time(s + 1, &c->growth_ns) && c->growth_ns >= 1000000000;
}

static bool config_parse_keep_bytes(const char *s, struct trigger_config *c)
{
	return config_parse_size(&s, &c->keep_bytes) && !*s;
}

static bool config_parse_reserve(const char *s, struct trigger_config *c)
{
	bool on = true;

	if (config_parse_flag(s, &on)) {
		c->reserve_set = !on;
		return true;
	}
	c->reserve_set = true;
	return config_parse_size(&s, &c->reserve_bytes) && !*s;
}

/* A whole number from 1 to max, and nothing after it. */
static bool config_count(const char *s, uint32_t max, uint32_t *ret)
{
	uint64_t n;

	if (!phrase_parse_u64(&s, &n) || *s || !n || n > max)
		return false;
	*ret = (uint32_t)n;
	return true;
}

static bool config_parse_snapshots(const char *s, struct trigger_config *c)
{
	return config_count(s, UINT32_MAX, &c->snapshots);
}

static bool config_parse_keep(const char *s, struct trigger_config *c)
{
	return config_count(s, CONFIG_KEEP_MAX, &c->keep);
}

static bool config_parse_flag(const char *s, bool *ret)
{
	static const char *const yes[] = { "1", "yes", "on", "true" };
	static const char *const no[] = { "", "0", "no", "off", "false" };

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		if (strcmp(s, no[i]) == 0)
			return *ret = false, true;
	}
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcmp(s, yes[i]) == 0)
			return *ret = true, true;
	}
	return false;
}

static bool config_parse_at_exit(const char *s, struct trigger_config *c)
{
	return config_parse_flag(s, &c->at_exit);
}

/* The signal is pymem-load's choice then, and is said nothing of. */
static bool config_parse_mark(const char *s, struct trigger_config *c)
{
	return c->marked = *s != '\0', true;
}

static bool config_parse_memory_error(const char *s, struct trigger_config *c)
{
	return config_parse_flag(s, &c->memory_error);
}

static bool config_parse_values(const char *s, struct trigger_config *c)
{
	bool wanted = true;
	uint64_t n;

	if (config_parse_flag(s, &wanted)) {
		c->values = wanted ? SNAP_PREVIEW : 0;
		return true;
	}
	if (!phrase_parse_u64(&s, &n) || *s || n < 2 || n > SNAP_PREVIEW_MAX)
		return false;
	c->values = (uint32_t)n;
	return true;
}

/* Relative paths are meant from where the program started. */
static bool config_parse_path(const char *s, char *ret, size_t size)
{
	struct phrase t;

	phrase_init(&t, ret, size);
	if (*s && *s != '/') {
		char cwd[1024];
		const long n = sys2(SYS_getcwd, cwd, sizeof(cwd));

		if (n <= 0)
			return false;
		phrase_str(&t, cwd);
		phrase_str(&t, "/");
	}
	phrase_str(&t, s);
	return !t.cut;
}

static bool config_parse_output(const char *s, struct trigger_config *c)
{
	for (const char *p = s; *p; p++) {
		if (*p == '%' && (!*++p || !strchr("pt%", *p)))
			return false;
	}
	return config_parse_path(s, c->output, sizeof(c->output));
}

static bool config_parse_viewer(const char *s, struct trigger_config *c)
{
	return config_parse_path(s, c->viewer, sizeof(c->viewer)) || true;
}

static bool config_parse_socket(const char *s, struct trigger_config *c)
{
	return config_parse_path(s, c->socket, sizeof(c->socket));
}

static bool config_parse_control(const char *s, struct trigger_config *c)
{
	return config_parse_path(s, c->control, sizeof(c->control));
}

static const struct {
	const char *name;
	/* NULL: not for the agent */
	bool (*parse)(const char *s, struct trigger_config *c);
	const char *wanted; /* NULL: it asks for nothing, and is never wrong */
} variables[] = {
	{ "OUTPUT", config_parse_output,
	  "a path, in which only %p, %t and %% mean something" },
	{ "SOCKET", config_parse_socket,
	  "the path of a unix socket, at most 107 bytes long" },
	{ "SIGNAL", config_parse_signal, "a signal such as USR2 or RTMIN+3" },
	{ "INTERVAL", config_parse_interval,
	  "a time such as 60s, 5m or 1h, at least 100ms" },
	{ "RSS_LIMIT", config_parse_rss, "a size such as 2G, or a share such as 80%" },
	{ "AT_EXIT", config_parse_at_exit, "1 or 0" },
	{ "LIMIT", config_parse_limit, "a share such as 90%" },
	{ "PRESSURE", config_parse_pressure,
	  "1, 0, or a time in a window of 500ms to 10s, such as 150ms/2s" },
	{ "GROWTH", config_parse_growth,
	  "a size in a time of at least 1s, such as 100M/10m" },
	{ "MEMORY_ERROR", config_parse_memory_error, "1 or 0" },
	{ "ON_MEMORY_ERROR", config_parse_memory_error, "1 or 0" }, /* its first name */
	{ "COOLDOWN", config_parse_cooldown, "a time such as 300s or 5m, or 0" },
	{ "SNAPSHOTS", config_parse_snapshots, "a number from 1 on" },
	{ "RESERVE", config_parse_reserve, "a size such as 16M, or 0" },
	{ "CONTROL", config_parse_control,
	  "a directory with a path of at most 87 bytes" },
	{ "VALUES", config_parse_values, "1, 0, or a number of characters up to 4096" },
	{ "KEEP", config_parse_keep, "a number of files from 1 to 64" },
	{ "KEEP_BYTES", config_parse_keep_bytes, "a size such as 2G" },
	/* of the commands and the tests */
	{ "AGENT", NULL, NULL },
	{ "BUILD", NULL, NULL },
	{ "FAULT", NULL, NULL },
	{ "LONG", NULL, NULL },
	{ "MARK", config_parse_mark, NULL },
	{ "SID", NULL, NULL },
	{ "TORTURE", NULL, NULL },
	{ "VIEW", config_parse_viewer, NULL },
	{ "LOAD", NULL, NULL },
	{ "PYTHONS", NULL, NULL },
};

static void config_complain(char *err, size_t size, const char *name, size_t length,
			    const char *value, const char *wanted)
{
	struct phrase t;

	phrase_init(&t, err, size);
	phrase_bytes(&t, name, length);
	if (wanted) {
		phrase_str(&t, "='");
		for (; *value && t.used < 120; value++)
			phrase_bytes(&t, *value >= ' ' && *value < 127 ? value : "?", 1);
		phrase_str(&t, "' is wrong: it takes ");
		phrase_str(&t, wanted);
	} else {
		phrase_str(&t, " is not known and has no effect");
	}
}

/* One variable: 1 taken, 0 not for us, -1 wrong. */
static int config_one(const char *entry, struct trigger_config *c, char *err, size_t size)
{
	static const char *const foreign[] = { "TEST_", "T_", "SID_" }; /* of the tests */
	const char *name = entry + 6, *equals = strchr(name, '=');
	size_t length;

	if (!equals)
		return 0;
	length = (size_t)(equals - name);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		if (strlen(variables[i].name) != length ||
		    memcmp(name, variables[i].name, length))
			continue;
		if (!variables[i].parse)
			return 0;
		if (variables[i].parse(equals + 1, c))
			return variables[i].wanted ? 1 : 0;
		config_complain(err, size, entry, length + 6, equals + 1,
				variables[i].wanted);
		return -1;
	}
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		if (strncmp(name, foreign[i], strlen(foreign[i])) == 0)
			return 0;
	}
	config_complain(err, size, entry, length + 6, NULL, NULL);
	return 0;
}

/* Do the parts make a whole? */
static const char *config_lacks(const struct trigger_config *c)
{
	const bool snapshots = c->signal || c->interval_ns || c->rss_bytes ||
		c->rss_percent || c->limit_percent || c->stall_ns || c->growth_bytes ||
		c->at_exit || c->memory_error;

	if (snapshots && !c->output[0] && !c->socket[0])
		return "neither PYMEM_OUTPUT nor PYMEM_SOCKET says where snapshots go";
	if (!snapshots && !c->control[0])
		return "no trigger is set (PYMEM_SIGNAL, PYMEM_INTERVAL, "
		       "PYMEM_RSS_LIMIT, PYMEM_LIMIT, PYMEM_PRESSURE, PYMEM_GROWTH, "
		       "PYMEM_AT_EXIT, PYMEM_MEMORY_ERROR, PYMEM_CONTROL)";
	return NULL;
}

static void config_say(char *err, size_t size, const char *sentence)
{
	struct phrase t;

	phrase_init(&t, err, size);
	phrase_str(&t, sentence);
}

static bool config_wants_summary(const struct trigger_config *c)
{
	static const char suffix[] = ".summary";
	const size_t length = strlen(c->output), of = sizeof(suffix) - 1;

	return length >= of && memcmp(c->output + length - of, suffix, of) == 0;
}

int config_read(char *const *env, struct trigger_config *ret, char *err, size_t err_size)
{
	const char *lack;
	bool any = false;

	memset(ret, 0, sizeof(*ret));
	ret->values = SNAP_PREVIEW;
	ret->cooldown_ns = CONFIG_COOLDOWN_NS;
	err[0] = '\0';
	for (; env && *env; env++) {
		int rc;

		if (strncmp(*env, "PYMEM_", 6) != 0)
			continue;
		rc = config_one(*env, ret, err, err_size);
		if (rc < 0)
			return rc;
		any |= rc > 0;
	}
	if (!any)
		return 0;
	lack = config_lacks(ret);
	if (lack) {
		config_say(err, err_size, lack);
		return -1;
	}
	ret->summary = config_wants_summary(ret);
	return 1;
}
