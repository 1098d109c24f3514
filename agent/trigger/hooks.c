/* SPDX-License-Identifier: MIT */
/* hooks - see hooks.h. */
#include "agent/trigger/hooks.h"

#include <stdbool.h>
#include <string.h>

#include "agent/python/binding.h"
#include "agent/base/sys.h"
#include "agent/trigger/memory_error.h"
#include "agent/trigger/notice.h"
#include "agent/trigger/trigger_capture.h"

/*
 * What we use of the C API; weak, so that the agent loads without it.  The
 * prototypes are the same in all versions.
 */
struct object;
struct method_def {
	const char *name;
	void *function;
	int flags;
	const char *doc;
};
enum { METH_NOARGS_FLAG = 4 };
#define WEAK __attribute__((weak))
extern int Py_AddPendingCall(int (*call)(void *), void *arg) WEAK;
extern struct object *PyImport_GetModuleDict(void) WEAK; /* borrowed */
/* borrowed */
extern struct object *PyDict_GetItemString(struct object *o, const char *key) WEAK;
extern int PyDict_SetItemString(struct object *o, const char *key,
				struct object *value) WEAK;
extern int PyObject_SetAttrString(struct object *o, const char *name,
				  struct object *value) WEAK;
extern struct object *PyObject_CallFunction(struct object *f, const char *format,
					    ...) WEAK;
extern struct object *PyObject_GetAttrString(struct object *o, const char *name) WEAK;
extern struct object *PyObject_CallFunctionObjArgs(struct object *f, ...) WEAK;
extern struct object *PyCFunction_NewEx(struct method_def *def, struct object *self,
					struct object *module) WEAK;
extern struct object *Py_BuildValue(const char *format, ...) WEAK;
extern void Py_IncRef(struct object *o) WEAK;
extern void Py_DecRef(struct object *o) WEAK;
extern struct object *PyObject_Call(struct object *f, struct object *args,
				    struct object *kwargs) WEAK;
extern void PyErr_Clear(void) WEAK;
extern void PyErr_Fetch(struct object **type, struct object **value,
			struct object **traceback) WEAK;
extern void PyErr_Restore(struct object *type, struct object *value,
			  struct object *traceback) WEAK;
extern void *PyEval_SaveThread(void) WEAK;
extern void PyEval_RestoreThread(void *state) WEAK;
enum { PENDING_TRIES = 2000 };

static struct {
	const struct trigger_config *config;
	const struct cpython *py;
	bool one_atexit;    /* 3.10+: the exit functions are the interpreter's own */
	volatile int state; /* enum hooks_state */
	volatile bool told; /* that there is no hook */
	bool came;	    /* the interpreter called the one at its exit */
	void (*after_fork)(void);
	volatile bool fork_by_pending; /* 3.6 has no os.register_at_fork */
} hooks;

/* ---- asking the interpreter ---- */

/* All of these leave no exception set.  A new reference or NULL. */
static struct object *hooks_checked(struct object *result)
{
	if (!result)
		PyErr_Clear();
	return result;
}

static struct object *hooks_get(const char *module, const char *name)
{
	struct object *found = PyDict_GetItemString(PyImport_GetModuleDict(), module);

	return found ? hooks_checked(PyObject_GetAttrString(found, name)) : NULL;
}

static bool hooks_set(struct object *o, const char *name, struct object *value)
{
	const bool set = o && value && !PyObject_SetAttrString(o, name, value);

	if (!set)
		PyErr_Clear();
	return set;
}

static struct object *hooks_call(struct object *function, struct object *argument)
{
	return function && argument ?
		hooks_checked(PyObject_CallFunctionObjArgs(function, argument, NULL)) :
		NULL;
}

static void hooks_drop(struct object *const *objects, size_t count)
{
	for (size_t i = 0; i < count; i++)
		Py_DecRef(objects[i]);
}

/* ---- at exit ---- */

static struct object *hooks_at_exit(struct object *self, struct object *args)
{
	static const struct trigger_cause at_exit = { .why = "exit",
						      .context = JOB_HOLDING,
						      .cause = ALLOWANCE_ASKED };

	(void)self;
	(void)args;
	hooks.came = true;
	/* a snapshot that is being taken needs the GIL we have: let it finish */
	while (trigger_capture_take(hooks.config, &at_exit) == -EBUSY) {
		void *state = PyEval_SaveThread();

		sys_sleep_ms(10);
		PyEval_RestoreThread(state);
	}
	return Py_BuildValue("");
}

static struct method_def at_exit_def = { "pymem_at_exit", NULL, METH_NOARGS_FLAG,
					 "Takes a pymem snapshot (PYMEM_AT_EXIT)." };

/* _imp.FUNCTION(argument). */
static struct object *hooks_imp(const char *function, struct object *argument)
{
	struct object *f = hooks_get("_imp", function);
	struct object *result = hooks_call(f, argument);

	Py_DecRef(f);
	return result;
}

/*
 * The atexit module as an import would make it, but without importing: a pending call
 * may come in the middle of importlib's own code on this thread, which is not made to be
 * entered twice (it then fails with KeyError in _blocking_on).  Up to 3.9 a second
 * atexit module would push out the functions of the first, so ours must be the one
 * that the program gets: it goes into sys.modules.  Later all share one list, and
 * sys.modules is left alone.  The new reference, or NULL.
 */
static struct object *hooks_make_atexit(void)
{
	struct object *loader = hooks_get("_frozen_importlib", "BuiltinImporter");
	struct object *make = hooks_get("_frozen_importlib", "ModuleSpec");
	struct object *origin = hooks_checked(Py_BuildValue("s", "built-in"));
	struct object *package = hooks_checked(Py_BuildValue("s", ""));
	struct object *spec = NULL, *module = NULL, *done = NULL;

	if (loader && make && origin && package)
		spec = hooks_checked(PyObject_CallFunction(make, "sO", "atexit", loader));
	if (hooks_set(spec, "origin", origin))
		module = hooks_imp("create_builtin", spec);
	if (hooks_set(module, "__spec__", spec) &&
	    hooks_set(module, "__loader__", loader) &&
	    hooks_set(module, "__package__", package))
		done = hooks_imp("exec_builtin", module);
	if (done && !hooks.one_atexit &&
	    PyDict_SetItemString(PyImport_GetModuleDict(), "atexit", module))
		PyErr_Clear();
	hooks_drop((struct object *[]){ loader, make, origin, package, spec, done }, 6);
	if (done)
		return module;
	Py_DecRef(module);
	return NULL;
}

/*
 * False when it is too early.  3.6 and 3.7 say that they are initialised before
 * importlib is, whose set-up goes over sys.modules and fails for good when that
 * changes meanwhile; __main__ is made after it in all versions
 * (Python/pylifecycle.c: initmain, add_main_module).
 */
static bool hooks_register_exit(void)
{
	struct object *const modules = PyImport_GetModuleDict();
	struct object *module, *add, *function, *done;

	if (!PyDict_GetItemString(modules, "__main__"))
		return false;
	module = PyDict_GetItemString(modules, "atexit");
	if (module)
		Py_IncRef(module);
	else
		module = hooks_make_atexit();
	add = module ? hooks_checked(PyObject_GetAttrString(module, "register")) : NULL;
	at_exit_def.function = (void *)hooks_at_exit;
	function = hooks_checked(PyCFunction_NewEx(&at_exit_def, NULL, NULL));
	done = hooks_call(add, function);
	hooks_drop((struct object *[]){ done, function, add, module }, 4);
	return done != NULL;
}

/* ---- in a child that the application forks ---- */

static struct object *hooks_forked(struct object *self, struct object *args)
{
	(void)self;
	(void)args;
	hooks.after_fork();
	return Py_BuildValue("");
}

static struct method_def forked_def = { "pymem_after_fork", NULL, METH_NOARGS_FLAG,
					"Lets pymem's triggers work in this child." };

static void hooks_register_fork(void)
{
	struct object *add = hooks_get("posix", "register_at_fork");
	struct object *none = hooks_checked(Py_BuildValue("()"));
	struct object *function, *name = NULL, *done = NULL;

	forked_def.function = (void *)hooks_forked;
	function = hooks_checked(PyCFunction_NewEx(&forked_def, NULL, NULL));
	if (function)
		name = hooks_checked(Py_BuildValue("{sO}", "after_in_child", function));
	if (add && none && name)
		done = hooks_checked(PyObject_Call(add, none, name));
	hooks.fork_by_pending = !add;
	hooks_drop((struct object *[]){ add, none, function, name, done }, 5);
}

static int hooks_forked_pending(void *arg)
{
	(void)arg;
	hooks.after_fork();
	return 0;
}

/*
 * Asks the main thread to make a call, from a thread that has no GIL.  From 3.9 on
 * Py_AddPendingCall reads the main interpreter's state, which is NULL when the program
 * has finalized and is only about to exit (Python/ceval.c); that takes milliseconds, so
 * it is looked at in the same breath, with a time slice that has just begun
 * (hooks_queue).
 */
static bool hooks_ask(int (*call)(void *arg))
{
	return cpython_initialized(hooks.py) && !cpython_finalizing(hooks.py) &&
		Py_AddPendingCall(call, NULL) == 0;
}

void hooks_in_child(void)
{
	if (hooks.fork_by_pending)
		hooks_ask(hooks_forked_pending);
}

/* ---- installing ---- */

enum hooks_state { HOOKS_QUEUED = 1, HOOKS_AGAIN, HOOKS_DONE };

static int hooks_pending(void *arg)
{
	struct object *type = NULL, *value = NULL, *traceback = NULL;

	(void)arg;
	PyErr_Fetch(&type, &value, &traceback);
	if (hooks.config->at_exit && !hooks_register_exit()) {
		hooks.state = HOOKS_AGAIN;
	} else {
		if (hooks.config->memory_error)
			memory_error_install(hooks.config, hooks.py);
		hooks_register_fork();
		hooks.state = HOOKS_DONE;
	}
	PyErr_Restore(type, value, traceback);
	return 0;
}

/* Under the GIL, on our own thread. */
static void hooks_install_here(void)
{
	hooks.state = HOOKS_AGAIN;
	if (cpython_finalizing(hooks.py))
		return;
	const int held = cpython_gil_ensure(hooks.py);
	if (!cpython_finalizing(hooks.py))
		hooks_pending(NULL);
	cpython_gil_release(hooks.py, held);
}

/* One more try; refused while 32 calls wait, and when the program is at its end. */
static void hooks_queue(void)
{
	sys_sleep_ms(1); /* to have a time slice of our own: hooks_ask */
	if (cpython_pending_call_raises(hooks.py)) {
		hooks_install_here();
		return;
	}
	hooks.state = HOOKS_QUEUED;
	if (!hooks_ask(hooks_pending))
		hooks.state = HOOKS_AGAIN;
}

void hooks_await(const struct trigger_config *config)
{
	hooks.config = config;
}

/* Whether an interpreter was started that our thread never saw: a start draws the secret
 * of hashes, which stays (Python/bootstrap_hash.c; all zero with PYTHONHASHSEED=0). */
static bool hooks_interpreter_was_here(void)
{
	extern const unsigned char _Py_HashSecret[24] __attribute__((weak));
	static const unsigned char none[24];
	const unsigned char *const secret = _Py_HashSecret;

	return secret && memcmp(secret, none, sizeof(none)) != 0;
}

const char *hooks_missed_exit(const struct trigger_config *config)
{
	if (!config->at_exit || hooks.came || hooks.told)
		return NULL;
	if (hooks.state == HOOKS_DONE)
		return "the program dropped its exit functions, or was at them already";
	return hooks.config || hooks_interpreter_was_here() ?
		"the program ended before it could be asked for one" :
		NULL;
}

void hooks_give_up(void)
{
	hooks.told = true;
}

void hooks_install(const struct trigger_config *config, const struct cpython *py,
		   void (*after_fork)(void))
{
	const bool awaited = config->at_exit || config->memory_error;

	hooks_await(config);
	hooks.py = py;
	hooks.after_fork = after_fork;
	hooks.one_atexit = cpython_atexit_is_per_interpreter(py);
	hooks_queue();
	for (int tries = 0; awaited && tries < PENDING_TRIES && hooks.state != HOOKS_DONE;
	     tries++) {
		if (hooks.state == HOOKS_AGAIN)
			hooks_queue();
		sys_sleep_ms(1);
	}
	if (awaited && hooks.state == HOOKS_AGAIN) {
		notice_say("PYMEM_AT_EXIT could not be registered", NULL);
		hooks_give_up();
	}
}
