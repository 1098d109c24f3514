# SPDX-License-Identifier: MIT
"""Plays pymem-load towards an agent that listens on its control socket
(PYMEM_CONTROL, agent/start.h): everything of a capture but ptrace.

    with Target(python, CODE, env=preload(PYMEM_CONTROL=dir)) as t:
        capture = ask_agent(dir, t.pid)
        capture.finish()        # reads messages and stream to the end
        capture.messages        # [(name, a, b, c, d, text)]
        capture.data            # the snapshot's bytes
"""
import os
import select
import socket
import struct
import time

from harness import AGENT, SLOW

MAGIC = b"\x89PYMEM-START\r\n\x1a\0"
START = struct.Struct("<16sIIIIQiiiIIIIIQQQQQQQQII64s1024s16384s")
MESSAGE = struct.Struct("<IIQQQQQ")
NAMES = {1: "hello", 2: "phase", 3: "forked", 4: "crash", 5: "walked", 6: "child",
         7: "failed", 8: "done"}
NO_FORK, NO_VALUES = 1, 2
CANCEL = 64
NONCE = 0x1234567890abcdef


def preload(**variables):
    """An environment in which the agent is preloaded and configured."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("PYMEM_") or k in ("PYMEM_BUILD",)}
    env["LD_PRELOAD"] = AGENT
    env.update({k: str(v) for k, v in variables.items()})
    return env


def until(condition, seconds=120, step=0.01):
    """condition()'s first true value, or None after that many seconds of a usual machine."""
    end = time.monotonic() + seconds * SLOW
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(step)
    return None


def blocks(data):
    """Types of the whole blocks of a snapshot, in order (SNAPSHOT.md, framing only);
    ("objects", n) gives their rows.  A broken head raises ValueError."""
    data = bytes(data)
    if len(data) < 44 or data[8:18] != b"\x89PYMEM\r\n\x1a\n":
        raise ValueError("no snapshot")
    at, found = 44, []
    while at + 48 <= len(data) and data[at + 8:at + 12] == b"BLK1":
        kind, frame_size = data[at + 12], struct.unpack_from("<I", data, at + 20)[0]
        count = struct.unpack_from("<I", data, at + 32)[0]
        at += 48 + frame_size
        if at > len(data):
            break
        found.append((kind, count))
    return found


def is_complete(data):
    """END was seen; no bytes at all are an incomplete snapshot, not a broken one."""
    return bool(data) and any(kind == 16 for kind, _ in blocks(data))


def object_count(data):
    return sum(count for kind, count in blocks(data) if kind in (5, 20))   # OBJECTS, PACKED


class Capture:
    def __init__(self, control, stream):
        self.control, self.stream = control, stream
        self.messages, self.data = [], bytearray()
        self.stream_open = self.control_open = True

    def cancel(self):
        self.control.send(MESSAGE.pack(CANCEL, 0, NONCE, 0, 0, 0, 0))

    def pump(self, timeout=0.1, read_stream=True):
        """Takes what has arrived."""
        fds = ([self.control] if self.control_open else []) + \
              ([self.stream] if self.stream_open and read_stream else [])
        for ready in select.select(fds, [], [], timeout)[0]:
            if ready is self.control:
                packet = self.control.recv(8192)
                if not packet:
                    self.control_open = False
                    continue
                kind, _, nonce, a, b, c, d = MESSAGE.unpack_from(packet)
                assert nonce == NONCE, hex(nonce)
                text = packet[MESSAGE.size:].decode()
                self.messages.append((NAMES[kind], a, b, c, d, text))
            else:
                chunk = self.stream.recv(1 << 20)
                self.stream_open = bool(chunk)
                self.data += chunk

    def message(self, name):
        return next((m for m in self.messages if m[0] == name), None)

    def wait_message(self, name, seconds=15, read_stream=True):
        end = time.monotonic() + seconds * SLOW
        while time.monotonic() < end and not self.message(name) and \
                (self.control_open or self.stream_open):
            self.pump(0.05, read_stream)
        return self.message(name)

    def finish(self, seconds=60):
        end = time.monotonic() + seconds * SLOW
        while (self.control_open or self.stream_open) and time.monotonic() < end:
            self.pump()
        self.close()
        return self

    def close(self):
        self.control.close()
        self.stream.close()
        self.control_open = self.stream_open = False

    @property
    def names(self):
        return [m[0] for m in self.messages]


def ask_agent(directory, pid, flags=0, gil_timeout_ms=0, child_timeout_s=0, skip=(),
              max_memory=0, raw=None, narrow=False):
    """Asks the agent of pid for a capture; a Capture, or a negative errno.  narrow: the
    stream holds next to nothing that isn't read."""
    path = os.path.join(directory, "%d.sock" % pid)
    ours, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    receive, stream = socket.socketpair()
    if narrow:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    # 16: an address that the agent must not believe a client
    start = START.pack(MAGIC, 3, START.size, 1, flags, NONCE, -1, -1, -1, os.getpid(),
                       gil_timeout_ms, child_timeout_s, 0, 0, max_memory, 1, 0, 0, 0, 0, 0,
                       16, 0, 0, b"", b"".join(s.encode() + b"\0" for s in skip), b"")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(10 * SLOW)
        # the socket has its name a moment before it is listened on
        if not until(lambda: not client.connect_ex(path)):
            raise AssertionError("the agent does not listen on " + path)
        socket.send_fds(client, [raw if raw is not None else start],
                        [control.fileno(), stream.fileno()])
        answer = client.recv(64)
    control.close()
    stream.close()
    status = struct.unpack("<i", answer)[0] if len(answer) == 4 else None
    if status == 0:
        return Capture(ours, receive)
    ours.close()
    receive.close()
    return status
