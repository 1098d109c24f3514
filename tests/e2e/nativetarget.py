# SPDX-License-Identifier: MIT
"""Targets that say how much malloc has given out, and what a snapshot says of that."""
import collections
import json

from harness import Target, run_load, run_view

# mallinfo2 came with glibc 2.33
PRELUDE = r'''
import ctypes, gc, os, sys
class MallInfo(ctypes.Structure):
    _fields_ = [(n, ctypes.c_size_t) for n in ("arena ordblks smblks hblks hblkhd usmblks "
                "fsmblks uordblks fordblks keepcost").split()]
_libc = ctypes.CDLL(None)
_libc.mallinfo2.restype = MallInfo
def used():
    gc.collect()
    info = _libc.mallinfo2()
    return info.uordblks + info.hblkhd
'''


class Owned:
    """Bytes of a snapshot's native memory by (type of the owner, inferred or not)."""

    def __init__(self, path, jsonl):
        run_view(path, "--export", "jsonl", "-o", jsonl)
        self.types, self.facts, self.chunks, self.buffers = {}, {}, [], []
        self.count = collections.Counter()      # of objects by type
        with open(jsonl) as f:
            for line in f:
                row = json.loads(line)
                if "address" in row:
                    self.types[row["address"]] = row["type"]
                    self.count[row["type"]] += 1
                elif "buffer" in row:
                    self.buffers.append(row["buffer"])
                elif "chunks" in row:
                    self.chunks.append(row["chunks"])
                elif "process" in row:
                    self.facts = row["process"]["facts"]
        self.alone, self.together = collections.Counter(), collections.Counter()
        for b in self.buffers:
            if "owner" not in b.get("flags", []):
                continue
            into = self.together if b.get("sharers", 0) > 1 else self.alone
            into[self.types.get(b["object"], "?").rsplit(".", 1)[-1]] += b["length"]

    def of(self, *names):
        return sum(self.alone[n] + self.together[n] for n in names)


def native_target(python, setup, body, env=None):
    """Runs body after setup; its greeting is by how many bytes malloc's use rose."""
    return Target(python, PRELUDE + setup + "\n_before = used()\n" + body +
                  "\nready(used() - _before)\nserve()\n", env=env)


def capture(case, target, *options):
    path = case.path("%d.pymem" % target.pid)
    run_load("-q", "-f", path, *options, str(target.pid))
    return Owned(path, path + ".jsonl")
