# SPDX-License-Identifier: MIT
"""Makes snapshots as hostile as wished, block by block (formats/SNAPSHOT.md), with right
checksums.  The zstd program compresses; nothing of the product's code is used."""
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "golden"))
from snapshot import FACTS, OBJECTS, SKIPPABLE, STRINGS, TYPES, crc32c

M64 = 2**64 - 1


def sealed(data):
    return data + struct.pack("<I", crc32c(data))


def varint(value):
    for size in range(1, 9):
        if value < 1 << 7 * size:
            return (value << size | 1 << size - 1).to_bytes(size, "little")
    return b"\0" + value.to_bytes(8, "little")


def zigzag(delta):
    delta &= M64
    return (delta << 1 ^ -(delta >> 63)) & M64


def head():
    return sealed(struct.pack("<II10sHHHQQ", SKIPPABLE, 36, b"\x89PYMEM\r\n\x1a\n",
                              1, 0, 0, 0, 0))


def block_head(kind, columns=0, raw=0, frame=0, first=0, count=0, sequence=0, crc=0):
    return sealed(struct.pack("<II4sBBHIIQIII", SKIPPABLE, 40, b"BLK1", kind, 0, columns,
                              raw, frame, first, count, sequence, crc))


def block(kind, columns, count, first=0, sequence=0):
    raw = struct.pack("<%dI" % len(columns), *map(len, columns)) + b"".join(columns)
    frame = subprocess.run(["zstd", "-qc", "-3", "--no-check"], input=raw,
                           stdout=subprocess.PIPE, check=True).stdout
    return block_head(kind, len(columns), len(raw), len(frame), first, count, sequence,
                      crc32c(frame)) + frame


def numbers(values):
    return b"".join(map(varint, values))


def facts(pairs, sequence):
    keys = [key.encode() for key, _ in pairs]
    texts = [value if isinstance(value, bytes) else b"" for _, value in pairs]
    return block(FACTS, [
        numbers(map(len, keys)), b"".join(keys),
        numbers(2 if isinstance(value, bytes) else 1 for _, value in pairs),
        numbers(0 if isinstance(value, bytes) else value for _, value in pairs),
        numbers(map(len, texts)), b"".join(texts)], len(pairs), 0, sequence)


def strings(texts, sequence, first=0):
    return block(STRINGS, [numbers(map(len, texts)), b"".join(texts)], len(texts), first,
                 sequence)


def types(names, sequence):
    """One type per string id."""
    n = len(names)
    steps = [b - a for a, b in zip([0] + names, names)]
    return block(TYPES, [numbers(map(zigzag, steps)), varint(zigzag(0x1000)) * n,
                         varint(0) * n, varint(0) * n, varint(16) * n, varint(0) * n],
                 n, 0, sequence)


def objects(count, sequence, first=0, base=0x10000, type_id=1):
    """All alike, one after another: what compresses best."""
    return block(OBJECTS, [
        varint(1 + zigzag(base // 8)) + varint(1 + zigzag(2)) * (count - 1),
        varint(type_id) * count, varint(0) * count,
        varint(zigzag(64)) + varint(0) * (count - 1), varint(1) * count, varint(0) * count,
        varint(0) * count, b""], count, first, sequence)
