/* SPDX-License-Identifier: MIT */
/*
 * cause_table - what usually causes what (cause.h): the first row that fits applies, so
 * what is particular stands before what is general.
 */
#include "viewer/report/cause.h"

#include "viewer/analysis/weak_dict.h"

#define CAUSE_TABLE_LOOP \
	"timers, sleeping tasks and callbacks that come faster than they are done, and " \
	"what their contexts and arguments hold", \
		"see the report tasks for what sleeps; cancel what isn't waited for " \
		"any " \
		"more; fewer at a time (a semaphore)"

const struct cause cause_table[] = {
	/* ---- what no object holds ---- */
	{ CAUSE_MEMORY, SUSPECT_FREE, "pymalloc",
	  "a peak that is over: objects that outlived it lie between free blocks of "
	  "Python's own allocator, so its arenas can't be given back",
	  "lower the peak (read in parts, smaller batches), make what lives long before "
	  "it, or do its work in a child process; PYTHONMALLOC=malloc; workers that end "
	  "after so many requests" },
	{ CAUSE_MEMORY, SUSPECT_FREE, "jemalloc",
	  "a peak that is over: jemalloc gives free pages back only when it is called "
	  "again, and none in which a block is in use",
	  "MALLOC_CONF=background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0, "
	  "fewer "
	  "arenas (narenas), or mallctl(\"arena.4096.purge\"); lower the peak; workers "
	  "that "
	  "end after so many requests" },
	{ CAUSE_MEMORY, SUSPECT_FREE, "tcmalloc",
	  "a peak that is over: tcmalloc gives free pages back slowly, and only while it "
	  "is "
	  "called",
	  "TCMALLOC_RELEASE_RATE=10, or MallocExtension_ReleaseFreeMemory() at quiet "
	  "moments; lower the peak; workers that end after so many requests" },
	{ CAUSE_MEMORY, SUSPECT_FREE, "mimalloc",
	  "a peak that is over: free pages lie between pages in use, or mimalloc has not "
	  "been called since to give them back",
	  "MIMALLOC_PURGE_DELAY=0 (2.0: MIMALLOC_DECOMMIT_DELAY), or mi_collect(true) at "
	  "quiet moments; lower the peak; workers that end after so many requests" },
	{ CAUSE_MEMORY, SUSPECT_FREE, NULL,
	  "a peak that is over: freed pieces lie between pieces in use, so their pages "
	  "can't be given back",
	  "lower the peak (read in parts, smaller batches); malloc_trim(0) now and then, "
	  "MALLOC_ARENA_MAX=2, another allocator, or workers that end after so many "
	  "requests" },
	{ CAUSE_MEMORY, SUSPECT_UNEXPLAINED, "tracemalloc",
	  "tracemalloc was started and not stopped: it has a record for each block, and "
	  "for each place",
	  "tracemalloc.stop() when it isn't needed any more; fewer frames "
	  "(tracemalloc.start(1))" },
	{ CAUSE_MEMORY, SUSPECT_UNEXPLAINED, NULL,
	  "caches, handles or buffers of a C extension, or memory it never frees",
	  "close what the extension opens; the report native has what is known; a C heap "
	  "profiler (heaptrack, jemalloc's) names the call" },
	{ CAUSE_MEMORY, SUSPECT_SHARED, NULL,
	  "shared memory that other processes use as well, counted in each of them",
	  "see the report maps for its files; unlink the segments that nobody uses" },

	/* ---- what is in every process ---- */
	{ CAUSE_FORM, CAUSE_USUAL, NULL,
	  "imported code: every program with as much of it has as much of this",
	  "import less, or later; compare with an earlier snapshot (--compare) to see "
	  "whether it grows" },

	/* ---- how it is held ---- */
	{ CAUSE_GROUP, HEAP_SYNTH_GARBAGE, NULL,
	  "reference cycles that the garbage collector hasn't come to: it is switched "
	  "off, "
	  "frozen or runs seldom; or gc.freeze(), which moves what is garbage by then, "
	  "too, out of its sight",
	  "gc.enable(), or gc.collect() at quiet moments (after gc.freeze() it finds "
	  "nothing before gc.unfreeze()); break the cycles with weak references or a "
	  "close() that clears attributes" },
	{ CAUSE_GROUP, HEAP_SYNTH_UNKNOWN, NULL,
	  "a C extension that keeps references in its own memory, or forgets to give one "
	  "back",
	  "look which extension makes such objects; close its handles; a reference "
	  "leaked in C shows as a count that only grows" },
	{ CAUSE_GROUP, HEAP_SYNTH_ATEXIT, NULL,
	  "atexit.register called for every object instead of once",
	  "register one function for all, call atexit.unregister when an object is "
	  "closed, "
	  "or use weakref.finalize" },
	{ CAUSE_GROUP, HEAP_SYNTH_IMMORTAL, NULL,
	  "strings interned while the program runs (sys.intern, attribute names and "
	  "keys made from data), which this Python never frees",
	  "intern fixed names only; keep data in dicts, not in attributes" },
	{ CAUSE_GROUP, HEAP_SYNTH_MODULES, NULL,
	  "a large program's modules, or ones made while it runs: plugins, templates "
	  "loaded anew under new names",
	  "load each once, and delete its entry of sys.modules when it is done with" },
	{ CAUSE_FORM, CAUSE_VARIABLE, NULL,
	  "contexts of tasks, timers or callbacks that still exist keep what was set in "
	  "them",
	  "reset the variable (ContextVar.reset) when the work is done; see the report "
	  "tasks for what doesn't end" },
	{ CAUSE_FORM, CAUSE_EMPTIED, NULL,
	  "a peak that is over: dicts, sets and lists keep their room when items are "
	  "removed one by one",
	  "make a new one (d = dict(d), or clear()) when most is gone" },

	/* ---- what it consists of ---- */
	{ CAUSE_FORM, CAUSE_CALLBACKS, NULL,
	  "callbacks added to one future that isn't done: each stays, with what it "
	  "refers to, until it is",
	  "remove_done_callback when one isn't needed any more, or one callback that "
	  "looks through a set" },
	{ CAUSE_FORM, CAUSE_WAITERS, NULL,
	  "tasks that wait for a lock, semaphore, condition or event of asyncio that "
	  "another task keeps, or that is never set",
	  "see the report tasks for where what keeps it waits; timeouts; fewer tasks at "
	  "a time" },
	{ CAUSE_FORM, CAUSE_UNSENT, NULL,
	  "more is written to connections than the other side reads: what isn't sent "
	  "waits in their buffers",
	  "await writer.drain() after write(), or pause when the transport says so "
	  "(pause_writing); a limit or a timeout for peers that don't read" },
	{ CAUSE_FORM, CAUSE_UNREAD, NULL,
	  "more comes in than the program reads: it waits in the connections' buffers",
	  "read on, or stop the sender (pause_reading, a smaller limit); look in the "
	  "report tasks whether the reader lives" },
	{ CAUSE_FORM, CAUSE_QUERIES, NULL,
	  "Django notes every query while settings.DEBUG is on: the last 9,000 of each "
	  "connection",
	  "DEBUG = False; django.db.reset_queries() in a long loop" },
	{ CAUSE_FORM, CAUSE_VIEWS, NULL,
	  "small views of large arrays that nothing else keeps: each keeps the whole of "
	  "its own",
	  "copy the part that is needed: view.copy()" },
	{ CAUSE_FORM, CAUSE_WRAPPED, NULL,
	  "a function that is wrapped anew each time (patched or decorated while the "
	  "program runs): each keeps the one before",
	  "wrap it once, or look whether it is wrapped already (__wrapped__)" },
	{ CAUSE_FORM, CAUSE_DONE, "greenlet.greenlet _greenlet.greenlet",
	  "greenlets that are done stay, with their results, where they were collected",
	  "a gevent.pool.Group or Pool, which forgets them, or link(collection.discard); "
	  "keep only what is needed of the results" },
	{ CAUSE_MEMBER_TYPE, 0, "greenlet.greenlet _greenlet.greenlet",
	  "greenlets that are spawned faster than they end, or wait for something that "
	  "never comes",
	  "see the report tasks for where they wait; timeouts (gevent.Timeout), a limit "
	  "(gevent.pool.Pool)" },
	{ CAUSE_FORM, CAUSE_DONE, NULL,
	  "tasks that are done stay, with their results, where they were collected",
	  "task.add_done_callback(collection.discard), a TaskGroup, or keep only what is "
	  "needed of the results" },
	{ CAUSE_MEMBER_TYPE, 0, "_asyncio.Task asyncio.tasks.Task",
	  "tasks that are created faster than they end, or wait for something that never "
	  "comes",
	  "see the report tasks for where they wait; use timeouts, a TaskGroup, a limit "
	  "(semaphore)" },
	{ CAUSE_FORM, CAUSE_ENDED, NULL,
	  "Thread objects of threads that have ended stay, with all that they refer to",
	  "drop them after join(); keep results elsewhere; a pool (ThreadPoolExecutor)" },
	{ CAUSE_MEMBER_TYPE, 0, "threading.Thread",
	  "threads that are started faster than they end, or wait for something that "
	  "never comes",
	  "see the report threads for where they wait; a pool (ThreadPoolExecutor), "
	  "timeouts" },
	{ CAUSE_FORM, CAUSE_CANCELLED, NULL,
	  "timers that were cancelled stay until their time comes, with what their "
	  "callbacks hold",
	  "shorter timers, or one timer that looks through many deadlines" },
	{ CAUSE_MEMBER_TYPE, 0, "asyncio.events.TimerHandle asyncio.events.Handle",
	  CAUSE_TABLE_LOOP },
	{ CAUSE_MEMBER_TYPE, 0,
	  "_asyncio.Future asyncio.futures.Future concurrent.futures._base.Future "
	  "concurrent.futures.thread._WorkItem concurrent.futures.process._WorkItem",
	  "work that is submitted faster than it is done, or futures kept after their "
	  "result was read",
	  "wait for some before submitting more (a semaphore, a bounded queue); drop "
	  "futures once they are done" },
	{ CAUSE_MEMBER_TYPE, 0, "logging.Logger logging.Handler",
	  "a logger or handler made for each request or object: logging keeps them for "
	  "ever",
	  "one logger a module, what differs in `extra` or a LoggerAdapter; "
	  "removeHandler and close" },
	{ CAUSE_FORM, CAUSE_FINALIZER, NULL,
	  "weakref.finalize whose callback or arguments refer to the object itself (a "
	  "bound method: self.close), so that it never dies",
	  "give it a function that doesn't need the object (a staticmethod), and what "
	  "that needs as arguments" },
	{ CAUSE_MEMBER_TYPE, 0, "weakref.finalize._Info",
	  "weakref.finalize for every object: an entry, with its arguments, for each "
	  "that still lives; something else keeps those objects",
	  "look what keeps them; call the finalizer, or detach(), when one is closed" },
	{ CAUSE_FORM, CAUSE_CONTEXT, NULL,
	  "exceptions that are kept, each with the one that was handled when it was "
	  "raised (__context__) or that it was raised from (__cause__), and their frames",
	  "e.__context__ = e.__cause__ = None before it is kept, or raise it when the "
	  "except block is left (`raise ... from None` only hides __context__)" },
	{ CAUSE_FORM, CAUSE_TRACED, NULL,
	  "exceptions that are kept, each with its traceback, whose frames keep all "
	  "their "
	  "local variables",
	  "keep str(e) or traceback.format_exc() instead, or e.with_traceback(None); "
	  "traceback.clear_frames" },
	{ CAUSE_MEMBER_KIND, SNAP_KIND_EXCEPTION, NULL,
	  "exceptions that are kept, with what is in their args and attributes",
	  "keep a short text or a count instead, or only the last few "
	  "(collections.deque(maxlen=...))" },
	{ CAUSE_MEMBER_KIND, SNAP_KIND_TRACEBACK, NULL,
	  "tracebacks that are kept: their frames keep all their local variables",
	  "keep traceback.format_exc() instead; traceback.clear_frames" },
	{ CAUSE_MEMBER_KIND, SNAP_KIND_FRAME, NULL,
	  "frames that are kept, by tracebacks, inspect or sys._getframe, with all their "
	  "local variables",
	  "del the frame after use; frame.clear()" },
	{ CAUSE_MEMBER_KIND, SNAP_KIND_GENERATOR, NULL,
	  "generators or coroutines that were started and never finished",
	  "close() them, or see the report tasks for what they wait for" },
	{ CAUSE_MEMBER_KIND, SNAP_KIND_MODULE, NULL,
	  "modules made while the program runs",
	  "load each once, and delete its entry of sys.modules when it is done with" },
	{ CAUSE_FORM, CAUSE_DEFINED, NULL,
	  "the classes of an imported module, with what is in their attributes, "
	  "registries and caches (up to 3.6 those of abc are dicts of Python's)",
	  "look which of them keeps most (Enter, or the report dominators)" },
	{ CAUSE_MEMBER_KIND, SNAP_KIND_TYPE, NULL,
	  "classes made while the program runs (namedtuple, dataclass, type() or models "
	  "in a function), kept by a registry, a cache or __subclasses__",
	  "make them once at import, or cache them by what they are made from" },
	{ CAUSE_MEMBER_KIND, SNAP_KIND_METHOD, NULL,
	  "callbacks, listeners or signal handlers that are registered for every object "
	  "and never removed",
	  "unregister when the object is closed, or hold weakly (weakref.WeakMethod, "
	  "WeakSet)" },
	{ CAUSE_MEMBER_KIND, SNAP_KIND_FUNCTION, NULL,
	  "callbacks, closures or lambdas that are registered and never removed",
	  "unregister them; a closure keeps every variable it uses" },

	/* ---- what is on the way to it ---- */
	{ CAUSE_FORM, CAUSE_PARSED, NULL,
	  "a document that is read in steps (iterparse): what has been read stays below "
	  "its root",
	  "element.clear() when one has been handled, and take it out of its root "
	  "(root.clear(), root.remove)" },
	{ CAUSE_PATH_TYPE, 0, "sqlite3.Statement sqlite3.Connection",
	  "an SQLite database in memory, or what a connection caches: pages and "
	  "statements",
	  "a file instead of :memory:; PRAGMA cache_size; close connections that nobody "
	  "uses" },
	{ CAUSE_PATH_TYPE, 0, "functools._lru_cache_wrapper",
	  "functools.cache or lru_cache(maxsize=None), or a large maxsize: an entry for "
	  "every different call, with its arguments (on a method: self) and result",
	  "give it a maxsize; cache by small keys; on methods, functools.cached_property "
	  "or a cache in the object" },
	{ CAUSE_PATH_TYPE, 0,
	  "sqlalchemy.orm.session.Session sqlalchemy.orm.identity.WeakInstanceDict "
	  "sqlalchemy.orm.unitofwork.UOWTransaction django.db.models.query.QuerySet "
	  "peewee.ModelSelect",
	  "an ORM session or query result that lives long keeps every row it has loaded",
	  "end sessions with the request; expunge_all(), yield_per() or iterator() for "
	  "many rows" },
	{ CAUSE_PATH_TYPE, 0,
	  "queue.Queue _queue.SimpleQueue queue._PySimpleQueue asyncio.queues.Queue "
	  "multiprocessing.queues.Queue",
	  "a queue is filled faster than it is emptied, or its consumer has died",
	  "give it a maxsize; look in the report threads (or tasks) whether the consumer "
	  "lives" },
	{ CAUSE_PATH_TYPE, 0, "concurrent.futures._base.Executor",
	  "work is submitted to a pool faster than it is done",
	  "wait for some before submitting more (a semaphore, a bounded queue)" },
	{ CAUSE_PATH_TYPE, 0, "_thread._local _threading_local.local",
	  "a threading.local: each thread keeps its own copy until it ends",
	  "clear it at the end of a unit of work; use fewer threads" },
	{ CAUSE_FORM, CAUSE_SELF_HELD, NULL,
	  "a weak dictionary whose values refer back to its keys, so that no entry ever "
	  "goes",
	  "let the values refer to the keys weakly, or delete entries by hand" },
	{ CAUSE_PATH_TYPE, 0, WEAK_DICT_TYPES,
	  "a weak dictionary has an entry for each object that still lives; something "
	  "else keeps those objects",
	  "look what keeps them (the path of one: report paths, or Enter); the entries "
	  "go with them" },
	{ CAUSE_PATH_TYPE, 0, WEAK_SET_TYPES,
	  "a weak set has a weak reference for each object that still lives; something "
	  "else keeps those objects",
	  "look what keeps them (the path of one: report paths, or Enter); the "
	  "references go with them" },
	{ CAUSE_MEMBER_KIND, SNAP_KIND_WEAKREF, NULL,
	  "weak references that nobody takes out, to objects that are gone, or that "
	  "something else keeps",
	  "take them out when the object goes (a callback: weakref.ref(x, remove), or "
	  "WeakSet); look what keeps the objects (report paths)" },
	{ CAUSE_PATH_TYPE, 0, "logging.Handler logging.Manager logging.Logger",
	  "a logging handler that collects records, or loggers made per request",
	  "flush or bound the handler; one logger a module" },
	{ CAUSE_PATH_TYPE, 0, "unittest.mock.NonCallableMock unittest.mock._CallList",
	  "a mock remembers every call with its arguments",
	  "reset_mock(), or a plain stub where many calls are made" },
	{ CAUSE_INSIDE_KIND, SNAP_KIND_TRACEBACK, NULL,
	  "exceptions that are kept, each with its traceback, whose frames keep all "
	  "their "
	  "local variables",
	  "keep str(e) or traceback.format_exc() instead, or e.with_traceback(None)" },
	{ CAUSE_INSIDE_KIND, SNAP_KIND_FRAME, NULL,
	  "frames that are kept (inspect.stack(), sys._getframe, tracebacks), with all "
	  "their local variables",
	  "keep names and lines of code instead; del the frames after use" },
	{ CAUSE_INSIDE_KIND, SNAP_KIND_GENERATOR, NULL,
	  "generators or coroutines that were started and never finished, with all their "
	  "local variables",
	  "close() them, or exhaust them; leave context managers (with, ExitStack)" },
	{ CAUSE_PATH_KIND, SNAP_KIND_TRACEBACK, NULL,
	  "an exception that is kept: its traceback keeps the frames, they keep their "
	  "local variables",
	  "keep str(e) or traceback.format_exc() instead, or e.with_traceback(None)" },
	{ CAUSE_PATH_KIND, SNAP_KIND_EXCEPTION, NULL,
	  "an exception that is kept, with what it refers to",
	  "keep str(e) instead; e.__context__ = None cuts off what was handled when it "
	  "was raised (`raise ... from None` only hides that)" },
	{ CAUSE_PATH_TYPE, 0, "_asyncio.Task asyncio.tasks.Task",
	  "local variables of a coroutine that hasn't finished",
	  "see the report tasks for where it waits; del what isn't needed before a long "
	  "await" },
	{ CAUSE_PATH_TYPE, 0, "asyncio.base_events.BaseEventLoop uvloop.Loop",
	  CAUSE_TABLE_LOOP },
	{ CAUSE_PATH_KIND, SNAP_KIND_GENERATOR, NULL,
	  "local variables of a generator or coroutine that hasn't finished",
	  "close() it, or exhaust it; del what isn't needed before it waits" },
	{ CAUSE_PATH_KIND, SNAP_KIND_FRAME, NULL,
	  "a frame that is kept keeps all its local variables",
	  "del the frame after use; frame.clear()" },

	/* ---- its form ---- */
	{ CAUSE_FORM, CAUSE_CHAIN, NULL,
	  "a linked list that grows at one end and is never cut: history, undo, "
	  "__context__ of exceptions, previous and next",
	  "cut it at some length, or let one direction be weak" },
	{ CAUSE_FORM, CAUSE_TREE, NULL,
	  "a tree that is kept whole: a parsed document, an index, nested caches",
	  "keep what is needed of it only, and let go of the rest" },
	{ CAUSE_FORM, CAUSE_RECURSION, NULL,
	  "deep recursion, or many threads that stand in the same function",
	  "see the report threads for where they stand; a loop instead of recursion, "
	  "fewer threads" },
	{ CAUSE_FORM, CAUSE_CALL, NULL,
	  "a function that is still running keeps its local variables",
	  "see the report threads for where it stands; del what isn't needed before the "
	  "long call, or read in parts" },
	{ CAUSE_FORM, CAUSE_SCATTERED, NULL,
	  "nothing by itself: many objects of a kind, each held by another one",
	  "group them by holder (report dominators, or the tree), and compare with an "
	  "earlier snapshot (--compare) to see whether they grow" },
	{ CAUSE_FORM, CAUSE_NATIVE, NULL,
	  "a large array, buffer or document that several objects share: one view of it "
	  "is enough to keep all of it",
	  "copy the part that is needed (array.copy(), bytes(view)) and drop the rest" },
	{ CAUSE_PATH_KIND, SNAP_KIND_CELL, NULL,
	  "a closure (a decorator's or factory's inner function) keeps a variable of the "
	  "function that made it",
	  "bound the variable; pass what is needed instead of closing over it" },
	{ CAUSE_NODE_TYPE, 0, "numpy.ndarray pandas.core.frame.DataFrame",
	  "a large array that is kept, or a view of it",
	  "del it when done; copy the part that is needed; a smaller dtype, or memmap" },

	/* ---- the container ---- */
	{ CAUSE_ROOT, HEAP_SYNTH_FRAME, NULL,
	  "a function that is still running keeps it in a local variable",
	  "see the report threads for where it stands; del what isn't needed before a "
	  "long "
	  "call, or work in parts" },
	{ CAUSE_FORM, CAUSE_NAMESPACE, NULL,
	  "variables of a module, which stay as long as the program runs",
	  "look which of them keep most (Enter, or the report dominators); del, or "
	  "bound, "
	  "what isn't needed" },
	{ CAUSE_NODE_KIND, SNAP_KIND_DICT, NULL,
	  "a cache, registry or index from which nothing is removed",
	  "bound it (functools.lru_cache(maxsize=...), a TTL, popitem), delete entries "
	  "when done, or hold values weakly (weakref.WeakValueDictionary)" },
	{ CAUSE_NODE_TYPE, 0,
	  "collections.OrderedDict collections.defaultdict collections.Counter "
	  "collections.UserDict",
	  "a cache, index or counter from which nothing is removed (a defaultdict makes "
	  "entries when it is read)",
	  "bound it (popitem), read with get(), delete entries when done" },
	{ CAUSE_NODE_KIND, SNAP_KIND_LIST, NULL,
	  "a list that is only appended to: history, results, listeners, a log in memory",
	  "collections.deque(maxlen=...), write out what is old, or clear it when it has "
	  "been handled" },
	{ CAUSE_NODE_KIND, SNAP_KIND_DEQUE, NULL,
	  "a queue is filled faster than it is emptied, or has no maxlen",
	  "deque(maxlen=...); look whether what empties it still runs" },
	{ CAUSE_NODE_KIND, SNAP_KIND_SET, NULL,
	  "a set of what has been seen, from which nothing is removed",
	  "bound it, keep hashes instead of objects, or use weakref.WeakSet" },
	{ CAUSE_NODE_KIND, SNAP_KIND_TUPLE, NULL, "data loaded as a whole and kept",
	  "load it in parts, or in a denser form (array, numpy, a database)" },
	{ CAUSE_NODE_KIND, SNAP_KIND_BYTES, NULL,
	  "a file, message or response read as a whole and kept",
	  "read it in parts; drop it when it has been parsed" },
	{ CAUSE_NODE_KIND, SNAP_KIND_BYTEARRAY, NULL,
	  "a buffer that grew once and is kept",
	  "bound it; make a new one when it has been sent" },
	{ CAUSE_NODE_KIND, SNAP_KIND_STR, NULL,
	  "a text read or built as a whole and kept",
	  "read it line by line; drop it when it has been parsed" },
	{ CAUSE_NODE_KIND, SNAP_KIND_MODULE, NULL,
	  "tables and data that a module builds when it is imported",
	  "import it where it is needed only, or load its data when asked for" },
	{ CAUSE_NODE_KIND, SNAP_KIND_TYPE, NULL,
	  "an attribute of a class, shared by all its instances",
	  "keep it in the instances, or bound it" },
	{ CAUSE_ANY, 0, NULL, "an object that lives long and collects others",
	  "look what it refers to (Enter), and compare with an earlier snapshot "
	  "(--compare) "
	  "to see what of it grows" },
};
