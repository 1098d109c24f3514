/* SPDX-License-Identifier: MIT */
/*
 * symbols - the one table of everything we look up in the interpreter.
 *
 * X(field, symbol, since, until, need): `field` of struct cpython_symbols gets
 * the address of `symbol`.  It is expected in versions since <= v < until
 * (0x0306 = 3.6); `need` is SYM_REQUIRED when we can't work without it.  An
 * optional symbol that is missing is NULL and its user does without.
 *
 * Data symbols are addresses of objects.  Functions are addresses too, called by what
 * binding.h, interpreters.h and call.h declare.
 *
 * Source: `nm -D` of CPython 3.6 to 3.15, shared, static and free-threaded.
 */
#ifndef PYMEM_AGENT_PYTHON_SYMBOLS_H
#define PYMEM_AGENT_PYTHON_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>

#define SYM_REQUIRED 1
#define SYM_OPTIONAL 0
#define SYM_ALWAYS 0x0306, 0x0400

#define CPYTHON_SYMBOLS(X) \
	/* the version, and who we are talking to */ \
	X(get_version, "Py_GetVersion", SYM_ALWAYS, SYM_REQUIRED) \
	X(is_initialized, "Py_IsInitialized", SYM_ALWAYS, SYM_REQUIRED) \
	X(is_finalizing, "Py_IsFinalizing", 0x030d, 0x0400, SYM_OPTIONAL) \
	X(is_finalizing_old, "_Py_IsFinalizing", 0x0307, 0x030d, SYM_OPTIONAL) \
	X(finalizing, "_Py_Finalizing", 0x0306, 0x0307, SYM_OPTIONAL) \
	X(runtime, "_PyRuntime", 0x0307, 0x0400, SYM_OPTIONAL) \
	X(gc_generation0, "_PyGC_generation0", 0x0306, 0x0307, SYM_OPTIONAL) \
	/* the interpreter lock */ \
	X(gil_ensure, "PyGILState_Ensure", SYM_ALWAYS, SYM_REQUIRED) \
	X(gil_release, "PyGILState_Release", SYM_ALWAYS, SYM_REQUIRED) \
	X(gil_check, "PyGILState_Check", SYM_ALWAYS, SYM_OPTIONAL) \
	X(eval_init_threads, "PyEval_InitThreads", 0x0306, 0x030d, SYM_OPTIONAL) \
	X(eval_threads_initialized, "PyEval_ThreadsInitialized", 0x0306, 0x030d, \
	  SYM_OPTIONAL) \
	X(lock_acquire, "PyThread_acquire_lock_timed", 0x030c, 0x030d, SYM_OPTIONAL) \
	X(lock_release, "PyThread_release_lock", 0x030c, 0x030d, SYM_OPTIONAL) \
	X(mutex_unlock, "PyMutex_Unlock", 0x030d, 0x0400, SYM_OPTIONAL) \
	X(add_pending_call, "Py_AddPendingCall", SYM_ALWAYS, SYM_OPTIONAL) \
	X(tstate_current, "_PyThreadState_Current", 0x0306, 0x0307, SYM_OPTIONAL) \
	X(tstate_unchecked, "_PyThreadState_UncheckedGet", 0x0306, 0x030d, SYM_OPTIONAL) \
	X(tstate_unchecked_new, "PyThreadState_GetUnchecked", 0x030d, 0x0400, \
	  SYM_OPTIONAL) \
	/* interpreters and threads: plain reads of linked lists */ \
	X(interp_head, "PyInterpreterState_Head", SYM_ALWAYS, SYM_REQUIRED) \
	X(interp_next, "PyInterpreterState_Next", SYM_ALWAYS, SYM_REQUIRED) \
	X(interp_threads, "PyInterpreterState_ThreadHead", SYM_ALWAYS, SYM_REQUIRED) \
	X(interp_main, "PyInterpreterState_Main", 0x0307, 0x0400, SYM_OPTIONAL) \
	X(interp_id, "PyInterpreterState_GetID", 0x0307, 0x0400, SYM_OPTIONAL) \
	X(tstate_next, "PyThreadState_Next", SYM_ALWAYS, SYM_REQUIRED) \
	X(module_dict, "PyImport_GetModuleDict", SYM_ALWAYS, SYM_REQUIRED) \
	/* types, by their exported address */ \
	X(type_type, "PyType_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(object_type, "PyBaseObject_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(long_type, "PyLong_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(bool_type, "PyBool_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(float_type, "PyFloat_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(complex_type, "PyComplex_Type", SYM_ALWAYS, SYM_OPTIONAL) \
	X(unicode_type, "PyUnicode_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(bytes_type, "PyBytes_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(bytearray_type, "PyByteArray_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(tuple_type, "PyTuple_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(list_type, "PyList_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(dict_type, "PyDict_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(odict_type, "PyODict_Type", SYM_ALWAYS, SYM_OPTIONAL) \
	X(set_type, "PySet_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(frozenset_type, "PyFrozenSet_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(module_type, "PyModule_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(function_type, "PyFunction_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(method_type, "PyMethod_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(cfunction_type, "PyCFunction_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(code_type, "PyCode_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(frame_type, "PyFrame_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(gen_type, "PyGen_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(coro_type, "PyCoro_Type", SYM_ALWAYS, SYM_OPTIONAL) \
	X(async_gen_type, "PyAsyncGen_Type", SYM_ALWAYS, SYM_OPTIONAL) \
	X(cell_type, "PyCell_Type", SYM_ALWAYS, SYM_REQUIRED) \
	X(traceback_type, "PyTraceBack_Type", SYM_ALWAYS, SYM_OPTIONAL) \
	X(memoryview_type, "PyMemoryView_Type", SYM_ALWAYS, SYM_OPTIONAL) \
	X(method_descr_type, "PyMethodDescr_Type", SYM_ALWAYS, SYM_OPTIONAL) \
	X(member_descr_type, "PyMemberDescr_Type", SYM_ALWAYS, SYM_OPTIONAL) \
	X(getset_descr_type, "PyGetSetDescr_Type", SYM_ALWAYS, SYM_OPTIONAL) \
	X(wrapper_descr_type, "PyWrapperDescr_Type", SYM_ALWAYS, SYM_OPTIONAL) \
	X(classmethod_descr_type, "PyClassMethodDescr_Type", SYM_ALWAYS, SYM_OPTIONAL) \
	X(weakref_type, "_PyWeakref_RefType", SYM_ALWAYS, SYM_REQUIRED) \
	X(weakproxy_type, "_PyWeakref_ProxyType", SYM_ALWAYS, SYM_OPTIONAL) \
	X(weakcallable_type, "_PyWeakref_CallableProxyType", SYM_ALWAYS, SYM_OPTIONAL) \
	X(base_exception, "PyExc_BaseException", SYM_ALWAYS, SYM_REQUIRED) \
	X(none, "_Py_NoneStruct", SYM_ALWAYS, SYM_REQUIRED) \
	/* asked after the walk only, in the copy */ \
	X(sizeof_object, "_PySys_GetSizeOf", SYM_ALWAYS, SYM_OPTIONAL) \
	X(err_clear, "PyErr_Clear", SYM_ALWAYS, SYM_OPTIONAL) \
	X(buffer_release, "PyBuffer_Release", SYM_ALWAYS, SYM_OPTIONAL) \
	X(set_allocator, "PyMem_SetAllocator", SYM_ALWAYS, SYM_OPTIONAL) \
	X(get_allocator, "PyMem_GetAllocator", SYM_ALWAYS, SYM_OPTIONAL) \
	/* free-threaded builds only */ \
	X(ft_marker, "_Py_MergeZeroLocalRefcount", 0x030d, 0x0400, SYM_OPTIONAL) \
	X(stop_world, "_PyEval_StopTheWorld", 0x030e, 0x0400, SYM_OPTIONAL) \
	X(start_world, "_PyEval_StartTheWorld", 0x030e, 0x0400, SYM_OPTIONAL) \
	X(gc_visit, "PyUnstable_GC_VisitObjects", 0x030d, 0x0400, SYM_OPTIONAL) \
	X(save_thread, "PyEval_SaveThread", 0x030d, 0x0400, SYM_OPTIONAL) \
	X(restore_thread, "PyEval_RestoreThread", 0x030d, 0x0400, SYM_OPTIONAL) \
	X(gc_disable, "PyGC_Disable", 0x030a, 0x0400, SYM_OPTIONAL)

struct cpython;

/* The address of a symbol by its name, NULL: there is none. */
typedef void *symbols_find_fn(void *arg, const char *name);

struct cpython_symbols {
#define X(field, ...) void *field;
	CPYTHON_SYMBOLS(X)
#undef X
};

/*
 * Looks up all symbols of py->version.  False, with a sentence in err: one that is
 * required is missing.
 */
bool symbols_fill(struct cpython *py, symbols_find_fn *find, void *arg, char *err,
		  size_t err_size);

#endif
