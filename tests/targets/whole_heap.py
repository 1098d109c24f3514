# SPDX-License-Identifier: MIT
"""whole_heap.py DRIVER TRACE EXPECTED FLAGS: says what this whole interpreter holds,
by its own means (gc.get_objects and everything gc.get_referents leads to,
sys.getsizeof, __module__ and __qualname__), then walks it with the driver.

EXPECTED has a line for each object: address, type, size, referents' addresses.
Runs on every Python from 3.6 on."""
import array
import asyncio
import collections
import ctypes
import datetime
import decimal
import enum
import functools
import gc
import io
import itertools
import json
import os
import re
import sys
import threading
import types
import weakref

FRAME = type(sys._getframe())


class Plain:
    def __init__(self):
        self.a = 1
        self.b = [1, 2]


class Slotted(object):
    __slots__ = ("p", "q", "__dict__", "__weakref__")


class Meta(type):
    x = [1]


class WithMeta(metaclass=Meta):
    __slots__ = "k"


class Dict(dict):
    pass


class List(list):
    __slots__ = ("z",)


class Tuple(tuple):
    pass


class Int(int):
    pass


class Deleted:
    def __del__(self):
        pass


class Sized:
    def __sizeof__(self):
        raise RuntimeError("__sizeof__ written in Python was called")


def containers():
    subs = Dict(a=1), List([1, 2]), Tuple((1, [2])), Int(1 << 70)
    subs[0].attr, subs[1].z, subs[2].x, subs[3].foo = [3], (1,), {}, "bar"
    od = collections.OrderedDict((str(i), i) for i in range(20))
    del od["3"]
    od.attr = [1]
    dd = collections.defaultdict(list, a=[1])
    dd[3] = [4]
    holes = dict.fromkeys(range(100))
    for i in range(0, 100, 3):
        del holes[i]
    thinned = set(range(1000))
    thinned -= set(range(0, 1000, 7))
    return [subs, od, dd, holes, thinned, {1, 2}, frozenset("abc"), {}, (), [],
            collections.deque(range(1000)), collections.deque([[1], [2]], maxlen=5),
            collections.Counter("hello"), collections.ChainMap({1: 2}, {}),
            collections.namedtuple("Point", "x y")(1, [2]), list(range(10000)),
            array.array("i", range(100)), memoryview(bytearray(b"12" * 50))]


def instances():
    plain = [Plain() for _ in range(50)]
    plain[0].__dict__
    plain[1].late = "added"
    plain[2].__dict__.clear()
    slotted, meta = Slotted(), WithMeta()
    slotted.p, slotted.r, meta.k = [1], "dynamic", [meta]
    made = type("Made", (Plain,), {"q": [1]})()
    return [plain, slotted, meta, made, Deleted(), Sized(), weakref.ref(plain[0]),
            weakref.proxy(plain[1]), weakref.WeakValueDictionary({1: plain[2]}),
            types.SimpleNamespace(a=[1]), enum.Enum("Color", "RED GREEN"), threading.local(),
            threading.Lock(), threading.RLock(), threading.Event()]


def callables():
    n, held = 0, [1]

    def closure(a=held, *, b=held):
        return n, held

    def generator():
        x = [n]
        yield x

    async def coroutine():
        await asyncio.sleep(0)

    running, waiting, cached = generator(), coroutine(), functools.lru_cache(4)(lambda x: [x])
    next(running)
    for i in range(6):
        cached(i)
    closure.attr = [1]
    return [closure, running, waiting, cached, functools.partial(print, 1, sep=[]),
            Plain().__init__, [].append, "".join, int.__add__, (5).__add__, property(callables),
            classmethod(callables), staticmethod(callables), super(Plain, Plain())]


def values():
    text = ["ascii", "\xe9" * 10, "\u1234" * 10, "\U00012345" * 10, "\udc80", "encoded \xe9"]
    text[5].encode()
    try:
        raise ValueError("x", [1])
    except ValueError as error:
        raised = error
    return [text, b"x" * 100, 10 ** 100, -(10 ** 50), 0, True, 1.5, 2j, raised, range(5),
            range(10 ** 30, 10 ** 31), slice(1, [2], 3), types.MappingProxyType({"a": [1]}),
            decimal.Decimal("1.5"), decimal.getcontext(), re.compile("a(?P<x>b)"),
            datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(1), os.stat("/"),
            re.match("a", "abc"), io.BytesIO(b"x" * 1000), io.StringIO("y" * 1000), sys.flags,
            iter([1, 2]), iter({1: 2}.items()), zip([1], [2]), map(str, [1]), enumerate([5]),
            reversed([1]), itertools.chain([1], [2]), itertools.count(), NotImplemented, ...]


def closure_of(start, apart):
    """Everything that can be reached, but frames (they change) and our own containers."""
    seen, todo = {}, list(start)
    apart = {id(x) for x in apart} | {id(seen), id(todo), id(start)}
    while todo:
        o = todo.pop()
        if id(o) in seen or id(o) in apart or isinstance(o, FRAME):
            continue
        seen[id(o)] = o
        todo.extend(gc.get_referents(o))
    return seen


def size_of(o):
    return -1 if type(o) is Sized else sys.getsizeof(o)


def main(driver, trace, expected, flags):
    zoo = [containers(), instances(), callables(), values()]
    walk = ctypes.PyDLL(driver).walk_to_file
    stats, error = ctypes.create_string_buffer(256), ctypes.create_string_buffer(600)
    arguments = trace.encode(), int(flags), stats, error, 600
    rows = []
    gc.collect()
    gc.disable()
    seen = closure_of(gc.get_objects(), (rows, zoo))
    for addr, o in seen.items():
        t = type(o)
        rows.append((addr, t, size_of(o), [id(r) for r in gc.get_referents(o)]))
    rc = walk(*arguments)
    with open(expected, "w") as f:
        for addr, t, size, refs in rows:
            name = "%s.%s" % (t.__module__, t.__qualname__)
            print("%x" % addr, json.dumps(name), size, *("%x" % r for r in refs), file=f)
    if rc:
        sys.exit("%d %s" % (rc, error.value.decode()))


if __name__ == "__main__":
    main(*sys.argv[1:])
