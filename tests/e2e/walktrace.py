# SPDX-License-Identifier: MIT
"""Reads what the walk driver writes with DRIVER_TRACE (tests/targets/walk_trace.h)
and answers questions about it in a Python programmer's words."""
import collections

COPY, NO_VALUES, TRACE = 1, 2, 16
OTHER, ATTR, KEY, VALUE, INDEX, ELEMENT, LOCAL, CELL, TYPE, WEAK, STACK, DICT = range(12)
TAILS = {1: INDEX, 3: ELEMENT, 4: WEAK, 5: STACK}
ROOTS = ("other module interpreter static_type interned thread local stack frame exception "
         "c_static atexit").split()
BORROWED, CONSERVATIVE = 1, 2
TYPE_APPROX, TYPE_OWNED = 4, 64
TRACKED, IMMORTAL, SIZE_APPROX, OPAQUE, STATIC = 1, 2, 4, 8, 16

Object = collections.namedtuple("Object", "type shape flags size refcount refs")
Type = collections.namedtuple("Type", "name addr flags kind basicsize itemsize")
Root = collections.namedtuple("Root", "kind flags thread frame name target")
Thread = collections.namedtuple("Thread", "name native ident interpreter flags")
Frame = collections.namedtuple("Frame", "thread depth function file line code object")
Value = collections.namedtuple("Value", "kind length hash text")
Buffer = collections.namedtuple("Buffer", "object data length owner source flags")
Map = collections.namedtuple("Map", "start end name class_ perms rss pss dirty anonymous live "
                             "object_bytes")
Check = collections.namedtuple("Check", "type checked mismatched ours theirs")


class Trace:
    """The events of one walk."""

    def __init__(self, path):
        self.strings, self.types, self.shapes = {0: ""}, {}, {0: (0, [])}
        self.objects, self.values, self.threads, self.frames = {}, {}, {}, {}
        self.roots, self.buffers, self.checks, self.errors, self.maps = [], [], [], [], []
        self.facts = {}
        with open(path) as f:
            for line in f:
                fields = line.rstrip("\n").split(" ")
                getattr(self, "_" + fields[0], lambda f: None)(fields[1:])

    @staticmethod
    def _text(hexadecimal):
        return bytes.fromhex(hexadecimal).decode("utf-8", "surrogatepass")

    def _S(self, f):
        self.strings[int(f[0])] = self._text(f[1])

    def _T(self, f):
        self.types[int(f[0])] = Type(self.strings[int(f[1])], int(f[2], 16),
                                     *(int(x) for x in f[3:7]))

    def _H(self, f):
        labels = [tuple(int(x) for x in label.split(":")) for label in f[2:] if label]
        self.shapes[int(f[0])] = (int(f[1]), labels)

    def _O(self, f):
        addr = int(f[0], 16)
        assert addr not in self.objects, "object %x was emitted twice" % addr
        self.objects[addr] = Object(int(f[1]), int(f[2]), int(f[3]), int(f[4]), int(f[5]),
                                    [int(x, 16) for x in f[6:]])

    def _V(self, f):
        self.values[int(f[0], 16)] = Value(int(f[1]), int(f[2]), int(f[3], 16),
                                           bytes.fromhex(f[4]))

    def _N(self, f):
        self.threads[int(f[0])] = Thread(self.strings[int(f[1])], *(int(x) for x in f[2:6]))

    def _F(self, f):
        self.frames[int(f[0])] = Frame(int(f[1]), int(f[2]), self.strings[int(f[3])],
                                       self.strings[int(f[4])], int(f[5]), int(f[6], 16),
                                       int(f[7], 16))

    def _R(self, f):
        self.roots.append(Root(ROOTS[int(f[0])], int(f[1]), int(f[2]), int(f[3]),
                               self.strings[int(f[4])], int(f[5], 16)))

    def _B(self, f):
        self.buffers.append(Buffer(int(f[0], 16), int(f[1], 16), int(f[2]), int(f[3], 16),
                                   self.strings[int(f[4])], int(f[5])))

    def _C(self, f):
        self.checks.append(Check(self.types[int(f[0])].name, *(int(x) for x in f[1:])))

    def _E(self, f):
        self.errors.append((int(f[0], 16), self.strings[int(f[2])]))

    def _M(self, f):
        self.maps.append(Map(int(f[0], 16), int(f[1], 16), self.strings[int(f[2])],
                             *(int(x) for x in f[3:11])))

    def _K(self, f):
        self.facts[f[0]] = f[1]

    # ---- questions ----

    def type_name(self, addr):
        return self.types[self.objects[addr].type].name

    def labels(self, addr):
        """(kind, name or index, target) of each reference; dict values carry their
        key's address as the name when the label is the key object."""
        o = self.objects[addr]
        tail, fixed = self.shapes[o.shape]
        out = []
        for i, target in enumerate(o.refs):
            if i < len(fixed):
                label = (fixed[i][0], self.strings[fixed[i][1]])
            elif tail == 2:
                key = (i - len(fixed)) % 2 == 0
                label = (KEY, "") if key else (VALUE, o.refs[i - 1])
            else:
                label = (TAILS.get(tail, OTHER), i - len(fixed))
            if target:
                out.append(label + (target,))
        return out

    def has(self, addr, kind, name, target):
        """Is there a reference with this label?  name: text, index, or for VALUE the
        key's address or its text."""
        for k, n, t in self.labels(addr):
            if k != kind or t != target:
                continue
            if name is None or n == name:
                return True
            if kind == VALUE and isinstance(n, int) and n in self.values and \
                    self.values[n].text == str(name).encode():
                return True
        return False

    def counted(self, conservative=True):
        """How many references to each object were found."""
        weak = {id_ for id_, (tail, fixed) in self.shapes.items()
                if TAILS.get(tail) == WEAK or any(label[0] == WEAK for label in fixed)}
        owned = {id_: type_.addr for id_, type_ in self.types.items()
                 if type_.flags & TYPE_OWNED}
        targets = []
        for o in self.objects.values():
            if o.shape in weak:
                tail, fixed = self.shapes[o.shape]
                targets += (target for i, target in enumerate(o.refs) if WEAK !=
                            (fixed[i][0] if i < len(fixed) else TAILS.get(tail, OTHER)))
            else:
                targets += o.refs
            if o.type in owned:
                targets.append(owned[o.type])
        targets += (r.target for r in self.roots if not r.flags & BORROWED and
                    (conservative or not r.flags & CONSERVATIVE))
        found = collections.Counter(targets)
        del found[0]
        return found

    def explained(self):
        """(references counted by the interpreter, found of those, surplus by object)."""
        found = self.counted()
        total = explained = 0
        surplus = {}
        for addr, o in self.objects.items():
            if o.flags & IMMORTAL:
                continue
            total += o.refcount
            explained += min(o.refcount, found[addr])
            if o.refcount > found[addr]:
                surplus[addr] = o.refcount - found[addr]
        return total, explained, surplus
