# SPDX-License-Identifier: MIT
"""One of everything: builds every kind of object a Python program has, writes down
what a programmer would say of them (who refers to whom, and by what name; local
variables; values; buffers), then has the walk driver write what it finds.

    python zoo.py walk_driver.so trace.txt expected.json [driver flags]

Runs on CPython 3.6 and later.  test_truth.py compares the two files.
"""
import _thread
import array
import asyncio
import atexit
import collections
import ctypes
import enum
import functools
import json
import mmap
import sys
import threading
import types
import weakref

EXPECTED = {"edges": [], "attrs": [], "present": [], "roots": [], "frames": [], "values": [],
            "sizes": [], "buffers": [], "version": list(sys.version_info[:3]), "locals": []}
KEEP = []


def keep(obj):
    KEEP.append(obj)
    return obj


def edge(holder, kind, name, target):
    """holder refers to target; kind as in formats/core/sink.h, name as a programmer says."""
    KEEP.extend((holder, target))
    EXPECTED["edges"].append([id(holder), kind, name, id(target), type(holder).__name__])


def attr(holder, name, target):
    """holder.name is target, wherever the instance keeps it."""
    KEEP.extend((holder, target))
    EXPECTED["attrs"].append([id(holder), name, id(target), type(holder).__name__])


def present(obj):
    EXPECTED["present"].append([id(keep(obj)), type(obj).__name__])


def value(obj, kind, text):
    EXPECTED["values"].append([id(keep(obj)), kind, text.hex()])


class Fresh(object):
    """An object of its own, so that nothing else can be mistaken for it."""

    __slots__ = ("__weakref__",)


# ---- containers ----

def containers():
    a, b, c = Fresh(), Fresh(), Fresh()
    edge([a, b], "index", 1, b)
    edge((a, b, c), "index", 2, c)
    edge({"key-one": a}, "value", "key-one", a)
    edge({a: b}, "value", id(a), b)
    edge({a: b}, "key", None, a)
    edge({a, b}, "element", None, b)
    edge(frozenset([a]), "element", None, a)
    edge(collections.OrderedDict([("o", a)]), "value", "o", a)
    edge(collections.defaultdict(list, d=b), "value", "d", b)
    edge(collections.Counter([a]), "key", None, a)
    edge(collections.deque([a, b]), None, None, b)
    edge(collections.ChainMap({"x": a}).maps[0], "value", "x", a)
    edge(slice(a, b, c), "attr", "stop", b)
    items = [a]
    edge(iter(items), None, None, items)
    big = {"k%d" % i: Fresh() for i in range(1000)}
    edge(big, "value", "k999", big["k999"])
    del big["k5"]
    edge(big, "value", "k6", big["k6"])
    nested = [[[[a]]]]
    edge(nested[0][0][0], "index", 0, a)
    cyclic = []
    cyclic.append(cyclic)
    edge(cyclic, "index", 0, cyclic)
    present(zip([a], [b]))
    present(map(str, [1]))
    present(filter(None, [a]))
    present(enumerate([a]))
    present(reversed([a]))
    present(types.MappingProxyType({"p": a}))
    present(types.SimpleNamespace(q=a))
    present(range(10 ** 30, 10 ** 30 + 3))
    present(memoryview(b"abc"))
    present(NotImplemented)
    present(Ellipsis)


# ---- classes and instances ----

class Plain(object):
    def __init__(self):
        self.first = Fresh()
        self.second = Fresh()


class Slots(object):
    __slots__ = ("left", "right", "unset")


class SlotsAndDict(Slots):
    def __init__(self):
        self.extra = Fresh()


class Meta(type):
    def __new__(mcs, name, bases, namespace):
        namespace["made_by_meta"] = Fresh()
        return type.__new__(mcs, name, bases, namespace)


class WithMeta(metaclass=Meta):
    pass


class MyList(list):
    pass


class MyDict(dict):
    pass


class MyTuple(tuple):
    pass


class MySlotDict(dict):
    __slots__ = ("slot",)


class MyInt(int):
    pass


class MyStr(str):
    pass


class MyError(Exception):
    pass


class Descriptors(object):
    @property
    def prop(self):
        return 1

    @classmethod
    def cls_method(cls):
        pass

    @staticmethod
    def static_method():
        pass

    def method(self, default=Fresh(), *, keyword=Fresh()):
        pass


Point = collections.namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = 1


class HasDel(object):
    def __del__(self):
        pass


def instances():
    plain = Plain()
    attr(plain, "first", plain.first)
    attr(plain, "second", plain.second)
    late = Plain()
    late.added_later = Fresh()
    attr(late, "added_later", late.added_later)
    many = Plain()
    for i in range(40):         # more than inline values or shared keys take
        setattr(many, "a%d" % i, Fresh())
    attr(many, "a39", many.a39)
    shown = Plain()
    keep(shown.__dict__)        # the dict exists from now on
    attr(shown, "first", shown.first)
    deleted = Plain()
    del deleted.first
    attr(deleted, "second", deleted.second)
    odd = Plain()
    odd.__dict__[12345] = Fresh()
    edge(odd.__dict__, "value", None, odd.__dict__[12345])
    slots = Slots()
    slots.left, slots.right = Fresh(), Fresh()
    edge(slots, "attr", "left", slots.left)
    edge(slots, "attr", "right", slots.right)
    both = SlotsAndDict()
    both.left = Fresh()
    edge(both, "attr", "left", both.left)
    attr(both, "extra", both.extra)
    attr(WithMeta, "made_by_meta", WithMeta.made_by_meta)
    mine = MyList([Fresh()])
    mine.tag = Fresh()
    edge(mine, "index", 0, mine[0])
    attr(mine, "tag", mine.tag)
    mydict = MyDict(a=Fresh())
    mydict.tag = Fresh()
    edge(mydict, "value", "a", mydict["a"])
    attr(mydict, "tag", mydict.tag)
    mytuple = MyTuple([Fresh()])
    mytuple.tag = Fresh()
    edge(mytuple, "index", 0, mytuple[0])
    attr(mytuple, "tag", mytuple.tag)
    slotted = MySlotDict(k=Fresh())
    slotted.slot = Fresh()
    edge(slotted, "attr", "slot", slotted.slot)
    edge(slotted, "value", "k", slotted["k"])
    for obj in (MyInt(10 ** 25), MyStr("mine")):
        obj.tag = Fresh()
        attr(obj, "tag", obj.tag)
    point = Point(Fresh(), Fresh())
    edge(point, "index", 1, point.y)
    attr(Colour.RED, "_value_", Colour.RED.value)
    attr(Colour.RED, "_name_", Colour.RED._name_)
    present(HasDel())
    for cls in (Plain, Slots, WithMeta, MyList, Descriptors, Colour):
        edge(cls, "attr", "__bases__", cls.__bases__)
        edge(cls, "attr", "__mro__", cls.__mro__)
    try:
        import dataclasses
    except ImportError:
        return
    made = dataclasses.make_dataclass("Made", ["field"])(Fresh())
    attr(made, "field", made.field)


# ---- functions ----

def outer(argument):
    captured = Fresh()

    def inner():
        return captured, argument
    keep(captured)
    return inner, captured


def functions():
    inner, captured = outer(Fresh())
    closure = inner.__closure__
    edge(inner, "attr", "__closure__", closure)
    edge(inner, "attr", "__code__", inner.__code__)
    edge(inner, "attr", "__globals__", inner.__globals__)
    names = inner.__code__.co_freevars
    for i, name in enumerate(names):
        edge(closure, "cell", name, closure[i])
    cell = closure[names.index("captured")]
    edge(cell, "attr", "cell_contents", captured)
    method = Descriptors.method
    edge(method, "attr", "__defaults__", method.__defaults__)
    edge(method, "attr", "__kwdefaults__", method.__kwdefaults__)
    edge(method.__kwdefaults__, "value", "keyword", method.__kwdefaults__["keyword"])
    bound = Descriptors().method
    edge(bound, "attr", "__self__", bound.__self__)
    edge(bound, "attr", "__func__", bound.__func__)
    raw = Descriptors.__dict__
    edge(raw["prop"], "attr", "fget", raw["prop"].fget)
    edge(raw["cls_method"], "attr", "__func__", raw["cls_method"].__func__)
    edge(raw["static_method"], "attr", "__func__", raw["static_method"].__func__)
    partial = functools.partial(outer, Fresh())
    edge(partial, "attr", "func", partial.func)
    edge(partial, "attr", "args", partial.args)
    code = outer.__code__
    edge(code, "attr", "co_consts", code.co_consts)
    edge(code, "attr", "co_names", code.co_names)
    edge(code, "attr", "co_filename", code.co_filename)
    outer.attribute = Fresh()
    edge(outer, "dict", None, outer.__dict__)

    @functools.lru_cache(maxsize=None)
    def cached(key):
        return key
    result = Fresh()
    cached(result)
    edge(cached, None, None, cached.__wrapped__)
    present(result)
    value(outer, "name", b"outer")
    value(Descriptors.method, "name", b"Descriptors.method")
    value(outer.__code__, "name", b"outer")
    value(sys, "name", b"sys")
    value(Plain, "name", b"__main__.Plain")
    value(len, "name", b"builtins.len")


# ---- generators, coroutines, frames ----

def generator(argument):
    local_list = [argument]
    for item in local_list:
        yield local_list
    yield item


async def coroutine(future):
    local_dict = {"in": "coroutine"}
    await future
    return local_dict


async def async_generator():
    local_set = {Fresh()}
    yield local_set
    yield 2


def holder_of_locals(obj, frame):
    """Up to 3.10 a generator's variables are in its frame object."""
    return obj if sys.version_info >= (3, 11) else frame


class Suspends(object):
    def __await__(self):
        yield self


def generators():
    started = generator(Fresh())
    inside = next(started)
    edge(holder_of_locals(started, started.gi_frame), "local", "local_list", inside)
    edge(holder_of_locals(started, started.gi_frame), "local", "argument", inside[0])
    fresh = generator(Fresh())
    edge(fresh, "attr", "gi_code", generator.__code__)
    finished = generator(Fresh())
    list(finished)
    present(finished)
    framed = generator(Fresh())
    next(framed)
    edge(framed, "attr", "gi_frame", framed.gi_frame)
    waiting = Suspends()
    coro = coroutine(waiting)
    coro.send(None)
    edge(holder_of_locals(coro, coro.cr_frame), "local", "future", waiting)
    edge(holder_of_locals(coro, coro.cr_frame), "local", "local_dict",
         coro.cr_frame.f_locals["local_dict"])
    unstarted = coroutine(waiting)
    edge(holder_of_locals(unstarted, unstarted.cr_frame), "local", "future", waiting)
    KEEP.append(unstarted)
    agen = async_generator()
    try:
        agen.asend(None).send(None)
    except StopIteration as stop:
        edge(holder_of_locals(agen, agen.ag_frame), "local", "local_set", stop.value)


def raiser(depth):
    local_in_traceback = Fresh()
    keep(local_in_traceback)
    if depth:
        return raiser(depth - 1)
    raise MyError(local_in_traceback)


def exceptions():
    try:
        try:
            raiser(2)
        except MyError as cause:
            raise ValueError("second") from cause
    except ValueError as caught:
        error = caught
    cause = error.__cause__
    edge(error, "attr", "__cause__", cause)
    edge(error, "attr", "__traceback__", error.__traceback__)
    edge(cause, "attr", "args", cause.args)
    tb = cause.__traceback__
    edge(tb, "attr", "tb_next", tb.tb_next)
    edge(tb, "attr", "tb_frame", tb.tb_frame)
    while tb.tb_next:
        tb = tb.tb_next
    frame = tb.tb_frame
    edge(frame, "local", "local_in_traceback", cause.args[0])
    edge(frame, "attr", "f_code", raiser.__code__)
    edge(frame, "attr", "f_back", frame.f_back)


# ---- weak references, threads, contexts ----

def references():
    target, other = Plain(), Plain()
    ref = weakref.ref(target)
    edge(ref, "weak", None, target)

    def callback(_):
        pass
    with_callback = weakref.ref(other, callback)
    edge(with_callback, "weak", None, other)
    edge(with_callback, "attr", "__callback__", callback)
    edge(weakref.proxy(target), "weak", None, target)
    present(weakref.WeakValueDictionary(a=target))
    present(weakref.WeakKeyDictionary({target: 1}))
    present(weakref.WeakSet([target]))
    local = threading.local()
    local.attribute = Fresh()
    present(local)
    present(local.attribute)
    module = types.ModuleType("made_module")
    module.variable = Fresh()
    edge(module, "dict", None, module.__dict__)
    edge(module.__dict__, "value", "variable", module.variable)
    try:
        import contextvars
    except ImportError:
        return
    var = contextvars.ContextVar("zoo_var", default=Fresh())
    context = contextvars.copy_context()
    inside = Fresh()
    context.run(var.set, inside)
    present(var)
    present(context)
    present(inside)


# ---- values ----

def values():
    value(-7, "int", b"-7")
    value(1 << 40, "int", str(1 << 40).encode())
    value((1 << 64) - 1, "int", str((1 << 64) - 1).encode())
    value(-(1 << 63), "int", str(-(1 << 63)).encode())
    value((1 << 70) + 5, "int", hex((1 << 70) + 5).encode())
    value(-(1 << 200), "int", hex(-(1 << 200)).encode())
    value(True, "bool", b"\1")
    value(False, "bool", b"\0")
    value(float("1.5"), "float", array.array("d", [1.5]).tobytes())
    value("".join(["plain ", "text"]), "str", b"plain text")
    value("caf\u00e9", "str", "caf\u00e9".encode())
    value("\u4f60\u597d", "str", "\u4f60\u597d".encode())
    value("\U0001f40d snake", "str", "\U0001f40d snake".encode())
    value("lone \ud800", "str", b"lone \xed\xa0\x80")
    value("x" * 1000, "str", b"x" * 64)
    value("\u00e9" * 1000, "str", "\u00e9".encode() * 64)
    value(MyStr("subclass"), "str", b"subclass")
    value(bytes(bytearray(b"raw\0bytes")), "bytes", b"raw\0bytes")
    value(bytearray(b"array"), "bytes", b"array")


# ---- native memory ----

def buffer(obj, length, owner, counted):
    EXPECTED["buffers"].append([id(keep(obj)), length, id(owner) if owner is not None else 0,
                                counted])


def buffers():
    data = bytearray(10000)
    buffer(data, sys.getsizeof(data) - sys.getsizeof(bytearray()), None, True)
    view = memoryview(data)[100:600]
    buffer(view, 500, data, False)
    numbers = array.array("d", [0.0] * 1000)
    buffer(numbers, sys.getsizeof(numbers) - sys.getsizeof(array.array("d")), None, True)
    mapped = mmap.mmap(-1, 65536)
    buffer(mapped, 65536, None, False)
    string = ctypes.create_string_buffer(5000)
    buffer(string, 5000, None, False)


# ---- running threads ----

def until_released(begun, end, more, keyword):
    begun.release()
    with end:
        pass


def start_thread():
    """A thread of nobody's class: C alone has what it was started with."""
    begun, end = keep(_thread.allocate_lock()), keep(_thread.allocate_lock())
    begun.acquire()
    end.acquire()
    arguments, keywords = keep((begun, end, [])), keep({"keyword": ["only", "there"]})
    for name, target in (("start function", until_released), ("start arguments", arguments),
                         ("start keywords", keywords)):
        EXPECTED["roots"].append(["thread", name, id(target)])
    _thread.start_new_thread(until_released, arguments, keywords)
    begun.acquire()
    return end


def blocked(started, go_on):
    thread_local_list = ["in", "thread"]
    captured_by_inner = Fresh()

    def inner():
        return captured_by_inner
    EXPECTED["locals"].append(["zoo-thread", "blocked", "thread_local_list",
                               id(keep(thread_local_list))])
    EXPECTED["locals"].append(["zoo-thread", "blocked", "inner", id(keep(inner))])
    EXPECTED["locals"].append(["zoo-thread", "blocked", "captured_by_inner",
                               id(keep(inner.__closure__[0]))])
    started.set()
    go_on.wait()
    return thread_local_list


def qualname(code):
    return getattr(code, "co_qualname", code.co_name)


def expect_frames(name, frame):
    depth = 0
    while frame:
        code = frame.f_code
        EXPECTED["frames"].append([name, depth, qualname(code), code.co_filename,
                                   frame.f_lineno])
        frame = frame.f_back
        depth += 1


def running_generator(call):
    generator_local = ["while", "running"]
    EXPECTED["locals"].append(["MainThread", "running_generator", "generator_local",
                               id(keep(generator_local))])
    yield call()


class Entered(object):
    """Its __init__ runs in the evaluation loop of its caller (3.12 on), once warm."""

    def __init__(self, call):
        init_local = [call]
        EXPECTED["locals"].append(["MainThread", "__init__", "init_local",
                                   id(keep(init_local))])
        self.result = call()


def enter(call):
    return Entered(call)


def deep(depth, call):
    deep_local = Fresh()
    EXPECTED["locals"].append(["MainThread", "deep", "deep_local", id(keep(deep_local))])
    if depth:
        return deep(depth - 1, call)
    try:
        raise MyError("being handled")
    except MyError as handled:
        EXPECTED["roots"].append(["exception", None, id(keep(handled))])
        for i in range(100):
            enter(int)
            del EXPECTED["locals"][-1]
        return next(running_generator(lambda: enter(call).result))


def walk():
    """The innermost frame when the driver is called."""
    path = sys.argv[2].encode()
    err = ctypes.create_string_buffer(512)
    stats = (ctypes.c_uint64 * 32)()
    lines = [line for line in open(__file__) if True]
    number = 1 + [i for i, line in enumerate(lines) if "THE_CALL" in line][-1]
    expect_frames("MainThread", sys._getframe())
    for frame in EXPECTED["frames"]:
        if frame[0] == "MainThread" and frame[1] == 0:
            frame[4] = number
    driver = ctypes.PyDLL(sys.argv[1])
    flags = int(sys.argv[4]) if len(sys.argv) > 4 else 17
    EXPECTED["blocks"] = sys.getallocatedblocks()
    with open(sys.argv[3], "w") as f:
        json.dump(EXPECTED, f)
    rc = driver.walk_to_file(path, flags, stats, err, 512)  # THE_CALL
    if rc:
        sys.stderr.write("walk: %d %s\n" % (rc, err.value.decode()))
    return rc


def at_exit(argument):
    pass


def main():
    containers()
    instances()
    functions()
    generators()
    exceptions()
    references()
    values()
    buffers()
    present(asyncio.new_event_loop())
    atexit.register(at_exit, KEEP[0])
    EXPECTED["present"].append([id(at_exit), "function"])
    for name, module in sorted(sys.modules.items()):
        if module is not None:
            EXPECTED["roots"].append(["module", name, id(module)])
    EXPECTED["roots"].append(["interpreter", "sys.modules", id(sys.modules)])
    EXPECTED["roots"].append(["interpreter", "builtins.__dict__",
                              id(sys.modules["builtins"].__dict__)])
    for obj in KEEP[:]:
        if type(obj).__module__ != "enum" and "__sizeof__" not in vars(type(obj)):
            EXPECTED["sizes"].append([id(obj), sys.getsizeof(obj), type(obj).__name__])
    end = start_thread()
    started, go_on = threading.Event(), threading.Event()
    thread = threading.Thread(target=blocked, args=(started, go_on), name="zoo-thread")
    thread.start()
    started.wait()
    lines = open(threading.__file__).read().split("\n")
    while True:                 # until it waits
        frame = sys._current_frames()[thread.ident]
        if frame.f_code.co_filename == threading.__file__ and \
                lines[frame.f_lineno].strip() == "gotit = True":    # the next line
            break
    del lines, frame
    expect_frames("zoo-thread", sys._current_frames()[thread.ident])
    EXPECTED["native"] = getattr(thread, "native_id", 0)
    try:
        return deep(3, walk)
    finally:
        go_on.set()
        end.release()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
