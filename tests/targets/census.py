# SPDX-License-Identifier: MIT
"""census.py DRIVER TRACE EXPECTED FLAGS: one of everything that the standard library
makes in C, then a walk.  What a version or a build has not is left out.
EXPECTED has, for each entry made: its name, the address of the object, its type, and
the attributes that Python code sees in it: {attribute: address of the value}."""
import ctypes
import gc
import json
import os
import sys

MAKERS, KEEP = [], []


def made_by(function):
    MAKERS.append(function)
    return function


class Marker:
    """Something that is easily recognised in what holds it."""

    def __init__(self, name=""):
        self.name = name


def func(*args, **kwargs):
    return args


def nothing(*args):
    return None


@made_by
def asyncio_():
    import asyncio
    loop = asyncio.new_event_loop()
    future, done, failed = loop.create_future(), loop.create_future(), loop.create_future()
    future.add_done_callback(func)
    future.add_done_callback(print)
    done.set_result(Marker("result"))
    failed.set_exception(ValueError("failed"))

    async def waits(of):
        await of

    async def sleeps():
        await asyncio.gather(future, loop.create_future())
    tasks = [loop.create_task(waits(future)), loop.create_task(sleeps())]
    loop.run_until_complete(asyncio.sleep(0.001))
    yield "future", future
    yield "done", done
    yield "failed", failed
    yield "task", tasks[0]
    yield "gathering", tasks[1]
    yield "iterator", future.__await__()
    yield "coroutine wait", tasks[1].get_coro() if hasattr(tasks[1], "get_coro") else tasks
    yield "loop", loop
    yield "queue", asyncio.Queue() if sys.version_info >= (3, 10) else ()
    KEEP.append(tasks)


@made_by
def functools_():
    import functools
    cached = functools.lru_cache(maxsize=4)(lambda x: [x])
    unlimited = functools.lru_cache(maxsize=None)(lambda x: [x])
    for i in range(6):
        cached(i), unlimited(i)
    yield "lru_cache", cached
    yield "lru_cache without limit", unlimited
    partial = functools.partial(func, Marker(), key=Marker())
    partial.attribute = Marker()
    yield "partial", partial
    yield "cmp_to_key", functools.cmp_to_key(func)(Marker())
    yield "cmp_to_key function", functools.cmp_to_key(func)
    yield "partialmethod", functools.partialmethod(func, Marker())
    yield "cached_property", getattr(functools, "cached_property", property)(func)
    yield "Placeholder", getattr(functools, "Placeholder", None)


@made_by
def itertools_():
    import itertools as it
    def count():
        return iter([Marker(), Marker(), Marker(), Marker()])
    group = it.groupby(count(), func)
    tees = it.tee(count(), 3)
    for make in (lambda: it.accumulate([1, 2, 3], lambda a, b: Marker()),
                 lambda: it.chain(count(), count()), lambda: it.cycle(count()),
                 lambda: it.combinations([Marker(), Marker(), Marker()], 2),
                 lambda: it.count(2.5, 1.5), lambda: it.count(10 ** 30, 10 ** 30),
                 lambda: it.combinations_with_replacement([Marker(), Marker()], 2),
                 lambda: it.compress(count(), [1, 1]),
                 lambda: it.dropwhile(lambda x: 0, count()),
                 lambda: it.filterfalse(lambda x: 0, count()),
                 lambda: it.islice(count(), 3), lambda: it.permutations([Marker(), Marker()]),
                 lambda: it.product([Marker(), Marker()], [Marker()]),
                 lambda: it.repeat(Marker()),
                 lambda: it.starmap(func, [(Marker(),), (Marker(),)]),
                 lambda: it.takewhile(lambda x: 1, count()),
                 lambda: it.zip_longest(count(), count(), fillvalue=Marker()),
                 lambda: it.chain.from_iterable([count()]),
                 lambda: it.pairwise(count()), lambda: it.batched(count(), 2)):
        try:
            iterator = make()
        except AttributeError:
            continue
        yield type(iterator).__name__ + " (new)", iterator
        iterator = make()
        KEEP.append(next(iterator))
        yield type(iterator).__name__, iterator
    yield "grouper", next(group)[1]
    yield "groupby", group
    next(tees[0])
    for tee in tees:
        yield "tee", tee


@made_by
def collections_():
    import collections
    od = collections.OrderedDict(a=Marker(), b=Marker())
    od.attribute = Marker()
    yield "OrderedDict", od
    yield "OrderedDict iterator", iter(od)
    yield "OrderedDict items", iter(od.items())
    dd = collections.defaultdict(list, a=Marker())
    yield "defaultdict", dd
    deque = collections.deque([Marker() for _ in range(200)])
    yield "deque", deque
    yield "deque iterator", iter(deque)
    yield "deque reversed", reversed(deque)
    yield "namedtuple", collections.namedtuple("Point", "x y")(Marker(), Marker())
    yield "namedtuple field", collections.namedtuple("Other", "x y").x
    yield "ChainMap", collections.ChainMap({"a": Marker()})
    yield "UserDict", collections.UserDict(a=Marker())
    yield "views", [od.keys(), od.values(), od.items(), {1: 2}.keys(), {1: 2}.values(),
                    {1: 2}.items()]


@made_by
def builtins_():
    class Base:
        pass

    class Derived(Base):
        attribute = Marker()

        def method(self):
            return super()

    derived = Derived()
    items = [Marker(), Marker(), Marker()]
    prop = property(func, func, func, "documentation " + str(len(items)))
    iterators = [iter(items), iter(tuple(items)), iter({"a": Marker()}), iter({1, 2}),
                 iter("abc"), iter("\u1234abc"), iter(b"abc"), iter(bytearray(b"abc")),
                 iter(range(5)), iter(range(10 ** 30, 10 ** 31)), reversed(items),
                 iter(items.pop, 3), iter({"a": 1}.items()), iter({"a": 1}.values()),
                 enumerate(items), enumerate(items, 10 ** 30), zip(items, items),
                 map(func, items, items), filter(func, items), filter(None, items)]
    for iterator in iterators:
        yield type(iterator).__name__, iterator
    z = zip(list(items), list(items))
    KEEP.append(next(z))
    yield "zip (begun)", z
    e = enumerate(items)
    KEEP.append(next(e))
    yield "enumerate (begun)", e
    if sys.version_info >= (3, 8):
        yield "reversed dict", reversed({"a": 1})
    class Getitem:
        def __getitem__(self, i):
            return i
        def __len__(self):
            return 3
    yield "iterator", iter(Getitem())
    yield "reversed", reversed(Getitem())
    yield "super", derived.method()
    yield "super (unbound)", super(Derived)
    yield "property", prop
    yield "classmethod", classmethod(func)
    yield "staticmethod", staticmethod(func)
    yield "mappingproxy", Base.__dict__
    yield "slice", slice(Marker(), Marker(), Marker())
    yield "method", derived.method
    yield "builtin method", items.append
    yield "classmethod of a builtin", dict.fromkeys
    yield "method descriptor", list.append
    yield "wrapper descriptor", int.__add__
    yield "method wrapper", (10 ** 30).__add__
    yield "member descriptor", func.__class__.__dict__["__globals__"]
    yield "getset descriptor", type.__dict__["__dict__"]
    yield "classmethod descriptor", dict.__dict__["fromkeys"]
    yield "cell", (lambda: items).__closure__[0]
    yield "ellipsis", ...
    yield "memoryview", memoryview(bytearray(100))
    yield "module", sys
    yield "exception", KeyError("a", Marker())
    for kind, args in ((OSError, (2, "no", "file", None, "file2")), (StopIteration, (items,)),
                       (SyntaxError, ("text", ("file", 1, 2, "line"))), (SystemExit, (items,)),
                       (ImportError, ("text",)), (AttributeError, ("x",)), (NameError, ("x",)),
                       (UnicodeDecodeError, ("utf-8", b"xx", 0, 1, "reason")),
                       (UnicodeEncodeError, ("utf-8", "xx", 0, 1, "reason")),
                       (UnicodeTranslateError, ("xx", 0, 1, "reason"))):
        yield kind.__name__, kind(*args)
    yield "ImportError (named)", ImportError("text", name="a name", path="a path")
    try:
        items.nothing
    except AttributeError as error:
        yield "AttributeError (raised)", error
        yield "traceback", error.__traceback__
    if sys.version_info >= (3, 11):
        yield "group", eval("ExceptionGroup")("text", [ValueError(Marker())])
    yield "simple namespace", type(sys.implementation)(a=Marker())
    import types
    if hasattr(types, "GenericAlias"):
        alias = types.GenericAlias(list, (int, "str"))
        yield "GenericAlias", alias
        if sys.version_info >= (3, 11):
            yield "GenericAlias iterator", iter(alias)
    if sys.version_info >= (3, 10):
        yield "union", eval("int | str | None")
    yield "struct sequence", sys.version_info
    yield "float info", sys.float_info
    yield "frame", sys._getframe()
    yield "code", func.__code__
    yield "code positions", func.__code__.co_positions() if hasattr(
        func.__code__, "co_positions") else ()
    yield "code lines", func.__code__.co_lines() if hasattr(func.__code__, "co_lines") else ()


@made_by
def generators_():
    def generator(of):
        value = Marker("local")
        yield value
        yield from of

    async def agenerator():
        value = Marker("local")
        try:
            yield value
        finally:
            pass

    async def coroutine():
        async for x in agenerator():
            return x
    running = generator([Marker(), Marker()])
    next(running)
    yield "generator", running
    delegating = generator(generator([1]))
    next(delegating), next(delegating)
    yield "delegating generator", delegating
    yield "new generator", generator([])
    made = agenerator()
    yield "async generator", made
    yield "async generator asend", made.asend(None)
    yield "async generator athrow", agenerator().athrow(ValueError)
    yield "anext", eval("anext(agenerator(), 1)", {}, {"agenerator": agenerator}) \
        if sys.version_info >= (3, 10) else ()
    waiting = coroutine()
    yield "coroutine", waiting
    yield "coroutine wrapper", waiting.__await__()


@made_by
def io_():
    import io
    import os
    import tempfile
    handle, path = tempfile.mkstemp()
    os.close(handle)
    yield "FileIO", io.FileIO(path)
    yield "BufferedReader", open(path, "rb")
    yield "BufferedWriter", open(path, "wb")
    yield "BufferedRandom", open(path, "r+b")
    text = open(path, "w", encoding="utf-8", newline="\n")
    text.write("not flushed yet")
    yield "TextIOWrapper (writing)", text
    reading = open(__file__, encoding="utf-8")
    reading.readline()
    yield "TextIOWrapper (reading)", reading
    latin = open(__file__, encoding="latin-1", errors="replace")
    latin.attribute = Marker()
    yield "TextIOWrapper (latin)", latin
    yield "incremental decoder", io.IncrementalNewlineDecoder(None, True)
    yield "StringIO", io.StringIO("text of a string io")
    written = io.StringIO(newline="\r\n")
    written.write("text"), written.write("more")
    yield "StringIO (written)", written
    yield "BytesIO", io.BytesIO(b"bytes of a bytes io")
    exported = io.BytesIO(b"exported")
    yield "BytesIO buffer", exported.getbuffer()
    yield "BytesIO exported", exported
    r, w = os.pipe()
    yield "BufferedRWPair", io.BufferedRWPair(io.FileIO(r), io.FileIO(w, "w"))
    os.unlink(path)
    folder = os.sep.join(["", "tmp", ""])
    yield from (("scandir", os.scandir(folder)), ("folder", folder))
    yield from (("DirEntry", next(iter(os.scandir("/")))), ("stat", os.stat("/")))


@made_by
def text_():
    import json
    import re
    import csv
    import string
    import struct
    pattern = re.compile("(?P<first>a)(b)?")
    match = pattern.match("ab" * 3)
    yield "pattern", pattern
    yield "bytes pattern", re.compile(b"[a-z]+(?P<x>y)")
    yield "match", match
    match.regs
    yield "match with registers", match
    yield "scanner", pattern.scanner("abab")
    yield "finditer", pattern.finditer("ababab")
    yield "json encoder", json.JSONEncoder(default=func)
    yield "json c encoder", json.encoder.c_make_encoder(
        None, func, json.encoder.encode_basestring_ascii, None, ": ", ", ", False, False, True)
    yield "json decoder", json.JSONDecoder(object_hook=func)
    yield "json scanner", json.JSONDecoder(object_hook=func, parse_float=func).scan_once
    yield "csv reader", csv.reader(["a,b", "c,d"])
    begun = csv.reader(["a,b", "c,d"], quotechar="'")
    next(begun)
    yield "csv reader (begun)", begun
    yield "csv dialect", begun.dialect
    yield "csv writer", csv.writer(sys.stdout)
    yield "struct", struct.Struct("<iHd4s")
    yield "unpack iterator", struct.iter_unpack("<i", b"12345678")
    yield "formatter", iter(string.Formatter().parse("a{b}c{d!r:>{e}}"))
    yield "string template", string.Template("$a")


@made_by
def weakrefs():
    import weakref
    a = Marker("weakly")
    KEEP.append(a)
    yield "ref", weakref.ref(a)
    yield "ref with callback", weakref.ref(a, func)
    yield "proxy", weakref.proxy(a, func)
    yield "callable proxy", weakref.proxy(func, print)
    yield "WeakMethod", weakref.WeakMethod(Derived_().method)
    yield "WeakValueDictionary", weakref.WeakValueDictionary({1: a})
    yield "WeakKeyDictionary", weakref.WeakKeyDictionary({a: 1})
    yield "WeakSet", weakref.WeakSet([a])
    yield "finalize", weakref.finalize(a, func, Marker())


class Derived_(Marker):
    def method(self):
        pass


@made_by
def threads():
    import _thread
    import queue
    import threading
    yield "lock", threading.Lock()
    rlock = threading.RLock()
    yield "RLock", rlock
    yield "condition", threading.Condition()
    yield "semaphore", threading.Semaphore()
    yield "event", threading.Event()
    yield "barrier", threading.Barrier(2)
    local = threading.local()
    local.value = Marker()
    yield "local", local
    yield "thread", threading.current_thread()
    yield "queue", queue.Queue()
    simple = getattr(queue, "SimpleQueue", queue.Queue)()
    simple.put(Marker()), simple.put(Marker())
    yield "SimpleQueue", simple
    yield "lock type", _thread.allocate_lock()


@made_by
def contexts():
    import contextvars
    variable = contextvars.ContextVar("a variable", default=Marker())
    token = variable.set(Marker())
    yield "ContextVar", variable
    yield "token", token
    yield "old token", variable.set(Marker())
    many = [contextvars.ContextVar("v%d" % i) for i in range(50)]
    for v in many:
        v.set(Marker())
    yield "context", contextvars.copy_context()
    yield "context items", iter(contextvars.copy_context().items())
    yield "context keys", iter(contextvars.copy_context())
    KEEP.append(many)


@made_by
def pickles():
    import io
    import pickle
    pickler = pickle.Pickler(io.BytesIO())
    if sys.version_info < (3, 13):
        pickler.persistent_id = nothing
    pickler.dispatch_table = {dict: func}
    pickler.dump([Marker(), Marker()])
    yield "pickler", pickler
    yield "pickler memo", pickler.memo
    unpickler = pickle.Unpickler(io.BytesIO(pickle.dumps([Marker(), "x" * 10])))
    unpickler.load()
    yield "unpickler", unpickler
    yield "unpickler memo", unpickler.memo
    if hasattr(pickle, "PickleBuffer"):
        yield "PickleBuffer", pickle.PickleBuffer(bytearray(5))


@made_by
def databases():
    import sqlite3
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.create_function("f", 1, func)
    connection.execute("create table t (a, b)")
    connection.execute("insert into t values (1, 'text'), (2, 'more')")
    yield "connection", connection
    cursor = connection.cursor()
    cursor.execute("select * from t where a > ?", (0,))
    yield "cursor", cursor
    yield "row", cursor.fetchone()
    yield "sqlite exception", sqlite3.OperationalError("x")


@made_by
def sockets():
    import select
    import selectors
    import socket
    import ssl
    a, b = socket.socketpair()
    yield "socket", a
    yield "raw socket", socket.SocketType()
    yield "socket file", b.makefile("rb")
    yield "epoll", select.epoll()
    yield "poll", select.poll()
    selector = selectors.DefaultSelector()
    selector.register(a, 1, Marker())
    yield "selector", selector
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_servername_callback(func)
    yield "ssl server context", server
    yield "ssl context", context
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    wrapped = context.wrap_bio(incoming, outgoing, server_hostname="name")
    yield "ssl object", wrapped
    yield "_ssl socket", wrapped._sslobj
    yield "memory bio", incoming


@made_by
def trees():
    import xml.etree.ElementTree as ET
    from xml.parsers import expat
    tree = ET.fromstring("<a x='1'>text<b>more</b>tail<c/></a>")
    yield "element", tree
    yield "child", tree[0]
    yield "tree", ET.ElementTree(tree)
    iterator = tree.iter()
    KEEP.append(next(iterator))
    yield "element iterator", iterator
    yield "itertext", tree.itertext()
    yield "iterfind", tree.iterfind("b")
    yield "tree builder", ET.TreeBuilder(element_factory=func)
    yield "xml parser", ET.XMLParser(target=ET.TreeBuilder())
    parser = expat.ParserCreate()
    parser.StartElementHandler = func
    parser.CharacterDataHandler = print
    yield "expat parser", parser
    yield "pull parser", ET.XMLPullParser(["start", "end"])


@made_by
def numbers():
    import array
    import datetime
    import decimal
    import fractions
    import random
    zone = datetime.timezone(datetime.timedelta(hours=2), "name")
    yield "timezone", zone
    yield "datetime", datetime.datetime(2020, 1, 2, tzinfo=zone)
    yield "naive datetime", datetime.datetime(2020, 1, 2)
    yield "time", datetime.time(1, 2, tzinfo=zone)
    yield "date", datetime.date(2020, 1, 2)
    yield "timedelta", datetime.timedelta(1)
    try:
        import zoneinfo
        yield "zoneinfo", zoneinfo.ZoneInfo("Europe/Berlin")
    except (ImportError, LookupError, OSError):
        pass
    yield "decimal", decimal.Decimal("1.5")
    yield "decimal context", decimal.Context(prec=5)
    yield "local context", decimal.localcontext()
    yield "signals", decimal.getcontext().flags
    yield "array", array.array("i", range(10))
    yield "array iterator", iter(array.array("i", range(10)))
    yield "fraction", fractions.Fraction(1, 3)
    yield "random", random.Random(1)


@made_by
def compressors():
    import bz2
    import hashlib
    import hmac
    import lzma
    import zlib
    yield "zlib", zlib.compressobj()
    decompress = zlib.decompressobj()
    decompress.decompress(zlib.compress(b"x" * 100) + b"tail")
    yield "zlib decompress", decompress
    yield "zlib dictionary", zlib.decompressobj(zdict=b"dict" * 3)
    yield "bz2", bz2.BZ2Compressor()
    yield "bz2 decompress", bz2.BZ2Decompressor()
    yield "lzma", lzma.LZMACompressor()
    yield "lzma decompress", lzma.LZMADecompressor()
    yield "md5", hashlib.md5(b"x")
    yield "sha3", hashlib.sha3_256(b"x")
    yield "blake2", hashlib.blake2b(b"x")
    yield "hmac", hmac.new(b"k", b"m", "sha256")


@made_by
def types_():
    import abc
    import ast
    import collections.abc
    import enum
    import inspect
    import operator
    import types
    import typing
    yield "itemgetter", operator.itemgetter(1, "x")
    yield "itemgetter of one", operator.itemgetter("name")
    yield "attrgetter", operator.attrgetter("a.b", "c")
    yield "methodcaller", operator.methodcaller("name", Marker(), key=Marker())
    yield "abc", abc.ABCMeta("Abstract", (), {})

    class Metaclass(type):
        __module__ = property(lambda self: "elsewhere")

        def method(self):
            pass
    yield "class of a metaclass with __module__", Metaclass("Made", (), {})
    yield "ast", ast.parse("a = [b + 1 for b in c]")
    yield "enum", enum.Enum("Color", "RED GREEN").RED
    if sys.version_info >= (3, 7):
        import dataclasses
        yield "dataclass", dataclasses.make_dataclass("Data", [("a", int)])(Marker())
    yield "signature", inspect.signature(func)
    yield "type variable", typing.TypeVar("T", bound=Marker)
    yield "constrained", typing.TypeVar("U", int, str)
    for name in ("ParamSpec", "TypeVarTuple"):
        if hasattr(typing, name):
            made = getattr(typing, name)("P")
            yield name, made
            if name == "ParamSpec":
                yield "ParamSpec args", made.args
                yield "ParamSpec kwargs", made.kwargs
    if hasattr(typing, "TypeAliasType"):
        yield "alias", typing.TypeAliasType("Alias", typing.List[int])
        space = {}
        exec("type Lazy[T: int] = dict[T, str]\nclass C[V]: pass\n"
             "def f[W: (int, str)](x: W) -> W: return x\n", space)
        for name in ("Lazy", "C", "f"):
            yield name, space[name]
            yield name + " parameter", space[name].__type_params__[0]
    yield "typing union", typing.Union[int, str]
    yield "typing optional", typing.Optional[Marker]
    yield "typing list", typing.List[int]
    yield "forward", getattr(typing, "ForwardRef", list)("Marker")
    yield "new type", typing.NewType("New", int)
    yield "dynamic attribute", types.DynamicClassAttribute(func)
    yield "module", types.ModuleType("made")
    yield "callable", collections.abc.Callable
    if sys.version_info >= (3, 14):
        space = {"Marker": Marker}
        exec("def annotated(a: Marker, b: 'later') -> missing: pass\n"
             "t = t'{Marker} and {len}'\n", space)
        yield "annotated", space["annotated"]
        yield "template", space["t"]
        for part in space["t"]:
            yield "interpolation", part
        import annotationlib
        yield "annotations", annotationlib.get_annotations(
            space["annotated"], format=annotationlib.Format.FORWARDREF)


@made_by
def system():
    import _lsprof
    import locale
    import mmap
    import time
    import traceback
    import unicodedata
    yield "profiler", _lsprof.Profiler()
    yield "mmap", mmap.mmap(-1, 4096)
    yield "struct_time", time.localtime()
    yield "ucd", unicodedata.ucd_3_2_0
    yield "locale", locale.localeconv()
    yield "stack", traceback.extract_stack()
    yield "capsule", unicodedata.__dict__.get("_ucnhash_CAPI") or unicodedata.__dict__.get(
        "ucnhash_CAPI")
    import symtable
    yield "symtable", symtable.symtable("a = 1\ndef f(x): return x + a", "name", "exec")
    yield "spec", sys.__spec__ if hasattr(sys, "__spec__") else ()
    yield "loader", __import__("json").__loader__


@made_by
def ctypes_():
    class Point(ctypes.Structure):
        _fields_ = [("x", ctypes.c_int), ("name", ctypes.c_char_p), ("o", ctypes.py_object)]

    class Union(ctypes.Union):
        _fields_ = [("a", ctypes.c_int), ("b", ctypes.c_double)]
    point = Point(1, b"bytes kept alive", Marker())
    yield "structure", point
    yield "pointer", ctypes.pointer(point)
    yield "array", (Point * 3)(point)
    yield "pointer array", (ctypes.POINTER(Point) * 2)(ctypes.pointer(point))
    yield "string", ctypes.c_char_p(b"kept alive by c_char_p")
    yield "object", ctypes.py_object(Marker())
    yield "union", Union()
    yield "callback", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(func)
    library = ctypes.CDLL(None)
    library.strlen.argtypes = [ctypes.c_char_p]
    library.strlen.restype = ctypes.c_size_t
    library.strlen.errcheck = func
    yield "library", library
    yield "function", library.strlen
    yield "field", Point.x
    yield "byref", ctypes.byref(point)
    yield "part", ctypes.cast(ctypes.pointer(point), ctypes.c_void_p)


def build():
    """[(maker's name, entry's name, object)]; modules that a build hasn't are left out."""
    entries = []
    for maker in MAKERS:
        try:
            for name, obj in maker():
                entries.append((maker.__name__.strip("_"), name, obj))
        except ImportError as error:
            print("left out:", maker.__name__, error)
    return entries


def attributes(obj):
    """What C code shows of an object that already exists: getting it twice gives the
    same object, and the object has it as a referent."""
    held = {id(referent) for referent in gc.get_referents(obj)}
    out = {}
    for name in dir(type(obj)):
        descriptor = type(obj).__dict__.get(name)
        if type(descriptor).__name__ not in ("getset_descriptor", "member_descriptor"):
            continue
        try:
            first, second = getattr(obj, name), getattr(obj, name)
        except Exception:
            continue
        if first is second and id(first) in held and first is not None and \
                not isinstance(first, (bool, type)):
            out[name] = id(first)
    return out


def main():
    entries = build()
    expected = []
    for group, name, obj in entries:
        kind = type(obj)
        if kind.__module__ != "__main__":
            expected.append([group, name, id(obj), kind.__name__, attributes(obj)])
    with open(sys.argv[3], "w") as f:
        json.dump(expected, f)
    stats, err = (ctypes.c_uint64 * 32)(), ctypes.create_string_buffer(512)
    rc = ctypes.PyDLL(sys.argv[1]).walk_to_file(sys.argv[2].encode(), int(sys.argv[4]), stats,
                                                err, 512)
    if rc:
        sys.stderr.write("walk: %d %s\n" % (rc, err.value.decode()))
    sys.stderr.flush()
    os._exit(rc != 0)           # nothing of all this is to be taken down


if __name__ == "__main__":
    main()
