# SPDX-License-Identifier: MIT
"""The small heap that images are recorded of: python -c "$(cat heap.py)" SYMBOL...

Prints what image.h calls the description: addresses of the interpreter's symbols and
states, then each wanted object and each frame as Python itself sees them.  Then waits
for the end of stdin.  Runs on every Python from 3.6 on; imports little."""
import ctypes
import gc
import sys
import weakref

api = ctypes.pythonapi


class Plain:
    def __init__(self):
        self.first = [1]
        self.second = "two"


class Materialized(Plain):
    pass


class Slotted:
    __slots__ = ("left", "right")


class Both(Slotted):
    def __init__(self):
        self.left = ["left"]
        self.more = {"more": 1}


class Named(tuple):
    pass


METHOD = type(Plain().__init__)


def say(*words):
    print(*words, flush=True)


def say_interpreter(symbols):
    say("python", sys.version.split()[0])
    for name in symbols:
        try:
            say("symbol", name, "%x" % ctypes.addressof(ctypes.c_char.in_dll(api, name)))
        except ValueError:
            pass
    for name, *types in (("PyInterpreterState_Head",), ("PyInterpreterState_ThreadHead", 1),
                         ("PyThreadState_Next", 1)):
        getattr(api, name).restype = ctypes.c_void_p
        getattr(api, name).argtypes = [ctypes.c_void_p] * len(types)
    interp = api.PyInterpreterState_Head()
    say("interp", "%x" % interp)
    thread = api.PyInterpreterState_ThreadHead(interp)
    while thread:
        say("thread", "%x" % thread)
        thread = api.PyThreadState_Next(thread)


def say_object(o, told):
    t = type(o)
    refs = ["%x" % id(r) for r in gc.get_referents(o)] if told else []
    say("object", "%x" % id(o), t.__module__ + "." + t.__qualname__, sys.getsizeof(o), *refs)


def say_parts(o):
    if isinstance(o, dict):
        for key, value in list(o.items()):
            say("item", "%x %x %x" % (id(o), id(key), id(value)))
    names = ("first", "second", "left", "more", "__code__", "__closure__")
    for name in () if isinstance(o, (type, METHOD)) else names:
        if hasattr(o, name):
            say("attr", "%x" % id(o), name, "%x" % id(getattr(o, name)))


def say_frames(frame):
    while frame:
        say("frame", frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno)
        if frame.f_code.co_name != "<module>":
            for name, value in sorted(frame.f_locals.items()):
                if name in frame.f_code.co_varnames:
                    say("local", name, "%x" % id(value))
        frame = frame.f_back


def containers():
    holes, thinned = dict.fromkeys(range(8)), set(range(9))
    for i in range(0, 8, 3):
        del holes[i]
    thinned -= {0, 5, 7}
    grown = [0]
    grown.append(1)
    return [[], [1, [2]], grown, (), (1, "a", [3]), {}, {"key": [1], "other": 2},
            {1: "one", (2,): "two", "three": 3}, holes, thinned, {1, 2}, frozenset("abc"),
            Named((1, [2]))]


def texts_and_numbers():
    encoded = "encoded \xe9"
    encoded.encode()
    return ["ascii", "\xe9" * 10, "\u1234" * 10, "\U00012345" * 10, encoded, b"bytes" * 3,
            bytearray(b"bytearray"), 0, 1, -1, 10 ** 100, -(2 ** 70), 1.5, True, None, 2j]


def instances():
    plain, materialized, both, slotted = Plain(), Materialized(), Both(), Slotted()
    shown = materialized.__dict__
    slotted.left, slotted.right = both, (1, 2)
    return [plain, materialized, shown, both, slotted, Plain, Both, int, weakref.ref(plain)]


def callables():
    cell, other = ["in a cell"], 5

    def closure(a=cell):
        return cell, other, a

    def generator():
        held = [cell]
        yield held

    suspended = generator()
    next(suspended)
    return [closure, closure.__closure__, closure.__code__, Plain().__init__, suspended,
            closure.__closure__[0], [].append]


def stop(frame, wanted):
    gc.disable()
    for told, objects in wanted:
        for o in objects:
            say_object(o, told)
            say_parts(o)
    say_frames(frame)
    say("end")
    sys.stdin.read()


def inner(number, text):
    listed = [number, text]
    stop(sys._getframe(), WANTED)
    return listed


def outer():
    mapping = {"number": 12345}

    def between(argument):
        inner(argument, "a text")

    between(mapping["number"])


# (are their referents told by tables alone, objects)
WANTED = [(True, containers()), (True, texts_and_numbers()), (True, instances()[:5]),
          (False, instances()[5:]), (True, callables()[:2]), (False, callables()[2:])]
ctypes.CDLL(None).prctl(0x59616d61, ctypes.c_ulong(-1 % 2 ** 64), 0, 0, 0)  # any tracer
say_interpreter(sys.argv[1:])
outer()
