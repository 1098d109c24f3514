# SPDX-License-Identifier: MIT
"""A second reader of snapshots, written from formats/SNAPSHOT.md alone.

It shares nothing with the C code, is slow and simple, and makes the lines of the JSON
export; test_golden.py compares both.  zstd frames are unpacked by the zstd program.
"""
import codecs
import struct
import subprocess

SKIPPABLE = 0x184D2A5D
M64 = 2**64 - 1

FACTS, STRINGS, TYPES, SHAPES, OBJECTS, REFS, VALUES, THREADS, FRAMES, ROOTS, MAPS, BUFFERS, \
    SIZE_CHECKS, ERRORS, PROGRESS, END, INDEX, CHUNKS, SHARED, PACKED, PACKED_REFS, \
    SITES, TRACES, LINES, ABSENT = range(1, 26)

KINDS = ("object int bool float str bytes bytearray tuple list dict set type module function "
         "method code frame generator cell weakref builtin none exception traceback deque "
         "memoryview").split()
TYPE_FLAGS = "heap gc approx opaque python has_del owned".split()
OBJECT_FLAGS = "gc immortal size_approx opaque static interned frozen".split()
ROOT_KINDS = ("other module interpreter static_type interned thread local stack frame exception "
              "c_static atexit").split()
MAP_CLASSES = "heap anonymous stack file shared special agent".split()
(OTHER, ATTR, KEY, VALUE, INDEX_, ELEMENT, LOCAL, CELL, TYPE, WEAK, STACK, DICT) = range(12)
LABEL_KINDS = "other attr key value index other local cell type weak other attr".split()
TAILS = [OTHER, INDEX_, None, ELEMENT, WEAK, STACK]
VALUE_KINDS = [None, "str", "bytes", "int", "float", "bool", "name"]


class Corrupt(Exception):
    pass


def crc32c(data, table=[]):
    if not table:
        for byte in range(256):
            for _ in range(8):
                byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
            table.append(byte)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def unpack(frame):
    return subprocess.run(["zstd", "-dcq"], input=frame, stdout=subprocess.PIPE,
                          check=True).stdout


def wtf8(error):
    """Encoded surrogates stay what they are, other bytes become U+DC80 to U+DCFF."""
    three = error.object[error.start:error.start + 3]
    if len(three) == 3 and three[0] == 0xED and 0xA0 <= three[1] <= 0xBF \
            and 0x80 <= three[2] <= 0xBF:
        return chr(0xD000 | (three[1] & 0x3F) << 6 | three[2] & 0x3F), error.start + 3
    return chr(0xDC00 + error.object[error.start]), error.start + 1


codecs.register_error("wtf8", wtf8)


def text(data):
    return data.decode("utf-8", "wtf8")


def unzigzag(v):
    return v >> 1 ^ -(v & 1) & M64


class Column:
    def __init__(self, data):
        self.data, self.pos, self.last = data, 0, 0

    def take(self, n):
        if self.pos + n > len(self.data):
            raise Corrupt("a column ends early")
        self.pos += n
        return self.data[self.pos - n:self.pos]

    def uint(self):
        first = self.take(1)[0]
        if first == 0:
            return int.from_bytes(self.take(8), "little")
        n = 1
        while not first >> (n - 1) & 1:
            n += 1
        return int.from_bytes(bytes([first]) + self.take(n - 1), "little") >> n

    def delta(self):
        self.last = (self.last + unzigzag(self.uint())) & M64
        return self.last


class Head:
    SIZE = 48

    def __init__(self, data, at):
        raw = data[at:at + self.SIZE]
        (magic, size, blk, self.type, self.flags, self.columns, self.raw_size, self.frame_size,
         self.first, self.count, self.sequence, self.frame_crc, crc) = \
            struct.unpack("<II4sBBHIIQIIII", raw)
        if (magic, size, blk) != (SKIPPABLE, 40, b"BLK1") or crc != crc32c(raw[:-4]):
            raise Corrupt("block header")


class Process:
    """The events of one process, gathered; lines() are those of the JSON export."""

    def __init__(self):
        self.facts, self.complete, self.events = {}, False, []
        self.strings, self.types, self.shapes = [""], [None], [(0, [])]
        self.threads = self.frames = self.sites = self.traces = self.lines_ = 0
        self.objects, self.by_address, self.gathered = [], {}, []
        self.edges = self.roots = self.bytes = 0

    # -- blocks --

    def block(self, head, columns):
        {FACTS: self.block_facts, STRINGS: self.block_strings, TYPES: self.block_types,
         SHAPES: self.block_shapes, OBJECTS: self.block_objects, REFS: self.block_refs,
         VALUES: self.block_values, THREADS: self.block_threads, FRAMES: self.block_frames,
         ROOTS: self.block_roots, MAPS: self.block_maps, BUFFERS: self.block_buffers,
         SIZE_CHECKS: self.block_checks, ERRORS: self.block_errors,
         PROGRESS: self.block_progress, END: self.block_end,
         INDEX: self.block_index, CHUNKS: self.block_chunks,
         SHARED: self.block_shared, PACKED: self.block_packed,
         PACKED_REFS: self.block_packed_refs, SITES: self.block_sites,
         TRACES: self.block_traces, LINES: self.block_lines,
         ABSENT: self.block_absent}[head.type](head, columns)
        for column in columns:
            if column.pos != len(column.data):
                raise Corrupt("a column is longer than its rows")

    def block_facts(self, head, c):
        for _ in range(head.count):
            key = c[1].take(c[0].uint()).decode("ascii")
            kind, number, data = c[2].uint(), c[3].uint(), c[5].take(c[4].uint())
            self.facts[key] = text(data) if kind else number

    def block_strings(self, head, c):
        assert head.first + 1 == len(self.strings)
        for _ in range(head.count):
            self.strings.append(text(c[1].take(c[0].uint())))

    def block_types(self, head, c):
        assert head.first + 1 == len(self.types)
        for _ in range(head.count):
            t = {"name": self.strings[c[0].delta()], "address": c[1].delta()}
            flags = c[2].uint()
            t.update(kind=KINDS[c[3].uint()], basicsize=c[4].uint(), itemsize=c[5].uint())
            self.types.append((t, flags))
            self.events.append({"class": dict(t, **flag_list(flags, TYPE_FLAGS))})

    def block_shapes(self, head, c):
        assert head.first + 1 == len(self.shapes)
        for _ in range(head.count):
            n, tail = c[0].uint(), c[1].uint()
            kinds = c[2].take(n)
            self.shapes.append((tail, [(k, self.strings[c[3].uint()]) for k in kinds]))

    def references_of(self, column, own, pairs, first):
        """References from number `first` on, for ever; pairs: [last, before] by slot."""
        previous, i = own >> 3, first
        while True:
            pair = pairs[i if i < 8 else 6 + i % 2]
            i += 1
            code = column.uint()
            if code == 0:
                yield 0
                continue
            if code == 1:
                address = column.uint()
            else:
                base = (previous, pair[0], pair[1], own >> 3)[(code - 2) & 3]
                address = ((base + unzigzag((code - 2) >> 2)) & M64) << 3
            previous = address >> 3
            if previous != pair[0]:
                pair[0], pair[1] = previous, pair[0]
            yield address

    def block_objects(self, head, c):
        assert head.first == len(self.objects)
        lines, table, before = {}, {}, 0
        for _ in range(head.count):
            code = c[0].uint()
            address = c[0].uint() if code == 0 else (before + unzigzag(code - 1) & M64) << 3
            before = address >> 3
            type_ = c[1].uint()
            size, shape, flags, nrefs = lines.get(type_ % 1024, (0, 0, 0, 0))
            code = c[2].uint()
            shape = code - 1 if code else shape
            size = (size + unzigzag(c[3].uint())) & M64
            refcount = c[4].uint()
            flags ^= c[5].uint()
            nrefs = (nrefs + unzigzag(c[6].uint())) & M64
            lines[type_ % 1024] = size, shape, flags, nrefs
            row = (type_ + 61 * shape) % 2**32 % 1024
            pairs = table.setdefault(row, [[0, 0] for _ in range(8)])
            more, refs = self.references_of(c[7], address, pairs, 0), []
            while len(refs) < nrefs and not (head.flags & 4 and c[7].pos == len(c[7].data)):
                refs.append(next(more))
            o = {"address": address, "type": type_, "size": size, "refcount": refcount,
                 "refs": refs, "flags": flags, "shape": shape, "value": None}
            self.add_object(o)

    def add_object(self, o):
        self.edges += sum(1 for r in o["refs"] if r)
        self.bytes += o["size"]
        self.objects.append(o)
        self.by_address[o["address"]] = o
        self.events.append(o)

    def packed_references(self, column, previous, pairs, n):
        refs = []
        for i in range(n):
            pair = pairs[i if i < 8 else 6 + i % 2]
            code = column.uint()
            if code == 0:
                refs.append(0)
                continue
            if code == 1:
                previous = column.uint()
            elif code < 4:
                previous = pair[code - 2]
            else:
                base = pair[0] if code & 1 else previous
                previous = (base + 8 * unzigzag(code - 4 >> 1)) & M64
            if previous != pair[0]:
                pair[:] = previous, pair[0]
            refs.append(previous)
        return refs

    def block_packed(self, head, c):
        assert head.first == len(self.objects)
        heads, told, table, address = [], 0, {}, 0
        for kind in c[8].take(len(c[8].data)):
            o = dict(type=c[2].uint(), shape=c[3].uint(), size=c[4].uint(),
                     refcount=c[5].uint(), flags=c[6].uint())
            nrefs, length, size = c[7].uint(), unzigzag(c[9].uint()), c[10].uint()
            heads.append((o, nrefs, kind, (length + size) & M64, size))
        for _ in range(head.count):
            code = c[0].uint()
            address = (address + 8 * unzigzag(code - 1)) & M64 if code else c[0].uint()
            number = c[1].uint()
            told += number == 0
            if not (number or told) <= told <= len(heads):
                raise Corrupt("a head that is not there")
            o, nrefs, kind, length, size = heads[(number or told) - 1]
            row = (o["type"] + 61 * o["shape"]) % 2**32 % 1024
            if head.flags & 4:
                refs, self.gathered = self.gathered, []
                assert head.count == 1 and len(refs) == nrefs
            else:
                pairs = table.setdefault(row, [[0, 0] for _ in range(8)])
                refs = self.packed_references(c[11], address, pairs, nrefs)
            hash_ = int.from_bytes(c[12].take(8), "little") if kind & 0x80 else 0
            text_ = c[13].take(size)
            self.add_object(dict(o, address=address, refs=refs, value=(
                kind & 0x7F, length, hash_, text_) if kind else None))
        assert told == len(heads)

    def block_packed_refs(self, head, c):
        assert head.first == len(self.gathered)
        self.gathered += self.packed_references(c[0], 0, [[0, 0] for _ in range(8)],
                                                head.count)

    def block_refs(self, head, c):
        assert head.first + 1 == len(self.objects)
        o, pairs = self.objects[-1], [[0, 0] for _ in range(8)]
        more = self.references_of(c[0], o["address"], pairs, len(o["refs"]))
        for _ in range(head.count):
            ref = next(more)
            self.edges += ref != 0
            o["refs"].append(ref)

    def block_values(self, head, c):
        at = head.first
        for _ in range(head.count):
            at += c[0].uint()
            kind = c[1].take(1)[0]
            length, size = unzigzag(c[2].uint()), c[3].uint()
            hash_ = int.from_bytes(c[4].take(8), "little") if kind & 0x80 else 0
            self.objects[at]["value"] = kind & 0x7F, (length + size) & M64, hash_, \
                c[5].take(size)
            at += 1

    def block_threads(self, head, c):
        for _ in range(head.count):
            self.threads += 1
            t = dict(id=self.threads, name=self.strings[c[0].uint()], native_id=c[1].uint(),
                     ident=c[2].delta(), interpreter=c[3].uint())
            self.events.append({"thread": dict(t, **flag_list(c[4].uint(), ["main", "gil"]))})

    def block_frames(self, head, c):
        for _ in range(head.count):
            self.frames += 1
            self.events.append({"frame": dict(
                id=self.frames, thread=c[0].uint(), depth=c[1].uint(),
                function=self.strings[c[2].uint()], file=self.strings[c[3].uint()],
                line=c[4].uint(), code=c[5].delta(), object=c[6].delta())})

    def block_roots(self, head, c):
        for _ in range(head.count):
            self.roots += 1
            r = dict(kind=ROOT_KINDS[c[0].uint()])
            flags = c[1].uint()
            r.update(thread=c[2].uint(), frame=c[3].uint(), name=self.strings[c[4].delta()],
                     to=c[5].delta(), **flag_list(flags, ["borrowed", "conservative"]))
            self.events.append({"root": r})

    def block_maps(self, head, c):
        for _ in range(head.count):
            m = dict(start=c[0].delta(), end=c[1].delta(), offset=c[2].uint(),
                     name=self.strings[c[3].uint()])
            m["class"] = MAP_CLASSES[c[4].uint()]
            perms = c[5].uint()
            m["perms"] = "".join(l if perms >> i & 1 else "-" for i, l in enumerate("rwx")) + \
                ("s" if perms & 8 else "p")
            for i, key in enumerate("rss pss private_dirty anonymous swap live "
                                    "object_bytes".split()):
                m[key] = c[6 + i].uint()
            self.events.append({"map": m})

    def block_buffers(self, head, c):
        for _ in range(head.count):
            b = dict(object=c[0].delta(), data=c[1].delta(), length=c[2].uint(),
                     owner=c[3].delta(), source=self.strings[c[4].uint()])
            b.update(flag_list(c[5].uint(), ["owner", "view", "counted", "inferred"]))
            chunks, sharers = (c[6].uint(), c[7].uint()) if len(c) > 6 else (0, 0)
            if chunks:
                b["chunks"] = chunks
            if sharers > 1:
                b["sharers"] = sharers
            self.events.append({"buffer": b})

    def block_chunks(self, head, c):
        for _ in range(head.count):
            self.events.append({"chunks": dict(
                name=self.strings[c[0].uint()], holder=self.strings[c[1].uint()],
                size=c[2].uint(), count=c[3].uint(), bytes=c[4].uint(),
                example=c[5].delta())})

    def block_shared(self, head, c):
        for _ in range(head.count):
            self.events.append({"shared": dict(start=c[0].delta(), length=c[1].uint())})

    def block_absent(self, head, c):
        for _ in range(head.count):
            self.events.append({"absent": dict(start=c[0].delta(), length=c[1].uint())})

    def block_sites(self, head, c):
        assert head.first == self.sites
        for _ in range(head.count):
            self.sites += 1
            site = dict(id=self.sites, caller=c[0].uint(), file=self.strings[c[1].uint()],
                        line=c[2].uint())
            assert site["caller"] < self.sites
            self.events.append({"site": site})

    def block_traces(self, head, c):
        for _ in range(head.count):
            self.traces += 1
            self.events.append({"trace": dict(address=c[0].delta(), size=c[1].uint(),
                                              site=c[2].uint(), domain=c[3].uint())})

    def block_lines(self, head, c):
        for _ in range(head.count):
            self.lines_ += 1
            self.events.append({"line": dict(object=c[0].delta(), call=c[1].uint(),
                                             file=self.strings[c[2].uint()], line=c[3].delta())})

    def block_checks(self, head, c):
        for _ in range(head.count):
            self.events.append({"size_check": dict(
                type=self.type_name(c[0].uint()), checked=c[1].uint(), mismatched=c[2].uint(),
                ours=c[3].uint(), theirs=c[4].uint())})

    def block_errors(self, head, c):
        for _ in range(head.count):
            e = dict(address=c[0].delta())
            type_ = c[1].uint()
            if type_:
                e["type"] = self.type_name(type_)
            self.events.append({"error": dict(e, text=self.strings[c[2].uint()])})

    def block_progress(self, head, c):
        for column in c:
            for _ in range(head.count):
                column.uint()

    def block_end(self, head, c):
        self.complete = True
        row = [column.uint() for column in c]
        values = sum(1 for o in self.objects if o["value"])
        have = [len(self.objects), self.edges, self.bytes, values, len(self.strings) - 1,
                len(self.types) - 1, len(self.shapes) - 1, self.threads, self.frames, self.roots,
                head.sequence - 1] + [self.sites, self.traces, self.lines_][:len(row) - 11]
        if row != have:
            raise Corrupt("END: %r is not %r" % (row, have))

    def block_index(self, head, c):
        self.index = [[column.uint() for column in c] for _ in range(head.count)]

    # -- the JSON export --

    def type_name(self, id_):
        return self.types[id_][0]["name"] if id_ else "object"

    def key_text(self, address):
        o = self.by_address.get(address)
        if o and o["value"]:
            kind, length, _, data = o["value"]
            if data or length == 0:
                if kind == 1:
                    return repr(text(data)) + ("..." if length > len(text(data)) else "")
                if kind == 2:
                    return repr(data) + ("..." if length > len(data) else "")
                if kind == 3:
                    return data.decode()
                if kind == 4:
                    return python_float(data)
                if kind == 5:
                    return repr(data != b"\0")
        if o and self.types[o["type"]][0]["kind"] == "none":
            return "None"
        return "<%s at %#x>" % (self.type_name(o["type"]) if o else "object", address)

    def references(self, o):
        tail, fixed = self.shapes[o["shape"]]
        out, key = [], 0
        for i, to in enumerate(o["refs"]):
            if i < len(fixed):
                (kind, name), index = fixed[i], i
            else:
                index = i - len(fixed)
                kind = TAILS[tail] if TAILS[tail] is not None else (VALUE if index % 2 else KEY)
                name = ""
            if kind == KEY:
                key = to
            if to:
                out.append({"to": to, "label": self.label(kind, name, index, key),
                            "kind": LABEL_KINDS[kind]})
        if self.types[o["type"]][1] & 64:
            out.append({"to": self.types[o["type"]][0]["address"], "label": "__class__",
                        "kind": "type"})
        return out

    def label(self, kind, name, index, key):
        if kind in (KEY, VALUE):
            return ("key %s" if kind == KEY else "[%s]") % self.key_text(key)
        return {OTHER: name, ATTR: "." + name, INDEX_: "[%d]" % index, ELEMENT: "element",
                LOCAL: "local " + name, CELL: "closure " + name, TYPE: "__class__",
                WEAK: "weak" + (" " + name if name else ""), STACK: "stack",
                DICT: ".__dict__"}[kind]

    def object_line(self, o):
        line = {"address": o["address"], "type": self.type_name(o["type"]), "size": o["size"],
                "refcount": o["refcount"], "refs": self.references(o)}
        line.update(flag_list(o["flags"], OBJECT_FLAGS))
        if o["value"]:
            kind, length, hash_, data = o["value"]
            if data or (length == 0 and kind not in (4, 5)):
                line["value"] = json_value(kind, data)
            line.update(value_kind=VALUE_KINDS[kind], length=length)
            if hash_:
                line["hash"] = "%#x" % hash_
        return line

    def lines(self, ordinal):
        yield {"process": {"ordinal": ordinal, "pid": self.facts.get("pid"),
                           "python": self.facts.get("python.version"),
                           "complete": self.complete, "problem": None, "facts": self.facts,
                           "schema": 1}}
        for event in self.events:
            yield self.object_line(event) if "address" in event else event


def flag_list(flags, names):
    found = [name for i, name in enumerate(names) if flags >> i & 1]
    return {"flags": found} if found else {}


def python_float(data):
    return repr(struct.unpack("<d", data)[0])


def json_value(kind, data):
    if kind == 2:
        return data.decode("latin-1")
    if kind == 3:
        return data.decode() if data.startswith(b"0x") else int(data)
    if kind == 4:
        value = struct.unpack("<d", data)[0]
        return value if value - value == 0 else repr(value)
    if kind == 5:
        return data != b"\0"
    return text(data)


def read(data):
    """The processes of a file that is not damaged."""
    processes, at, start = [], 0, 0
    while at < len(data):
        magic, size = struct.unpack_from("<II", data, at)
        if magic != SKIPPABLE:
            raise Corrupt("no structure at %d" % at)
        raw = data[at:at + 8 + size]
        if crc32c(raw[:-4]) != struct.unpack("<I", raw[-4:])[0]:
            raise Corrupt("crc at %d" % at)
        if size == 36:
            magic, major, minor, _, incompat, _ = struct.unpack("<10sHHHQQ", raw[8:-4])
            assert magic == b"\x89PYMEM\r\n\x1a\n" and major == 1 and incompat == 0
            processes.append(Process())
            start = at
        elif size == 28:
            magic, to_index, to_head = struct.unpack("<8sQQ", raw[8:-4])
            assert magic == b"PYMEMEND" and at - to_head == start
            assert Head(data, at - to_index).type == INDEX
        else:
            at += read_block(processes[-1], data, at, start)
            continue
        at += 8 + size
    return processes


def read_block(process, data, at, start):
    head = Head(data, at)
    frame = data[at + Head.SIZE:at + Head.SIZE + head.frame_size]
    if crc32c(frame) != head.frame_crc:
        raise Corrupt("frame at %d" % at)
    raw = unpack(frame)
    if len(raw) != head.raw_size:
        raise Corrupt("size at %d" % at)
    sizes = struct.unpack_from("<%dI" % head.columns, raw)
    columns, pos = [], 4 * head.columns
    for size in sizes:
        columns.append(Column(raw[pos:pos + size]))
        pos += size
    assert pos == len(raw)
    process.block(head, columns)
    if head.type == INDEX:
        check_index(process.index, data, start, at)
    return Head.SIZE + head.frame_size


def check_index(index, data, start, end):
    at = start
    for distance, type_, flags, first, count, raw_size, frame_crc in index:
        at += distance
        head = Head(data, at)
        assert (type_, flags, first, count, raw_size, frame_crc) == (
            head.type, head.flags, head.first, head.count, head.raw_size, head.frame_crc)
    assert not index or at + Head.SIZE + head.frame_size == end
