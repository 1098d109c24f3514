# ctest: labels=e2e timeout=300 cost=50
# SPDX-License-Identifier: MIT
"""Whoever reads a preloaded agent's snapshots may be slow or die, at any point of it: the
process never waits for that.  It answers while its reader takes nothing, and it ends."""
import threading

from preloadcase import *

CODE = HEAP + "ready()\nserve()\n"
# 3.6 with a GIL: without one nothing holds it still for a walk in place.
THREADED = """import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
""" + CODE


class Readers(PreloadCase):
    """Of the control socket: who asked for a snapshot."""

    def target(self, code=CODE):
        t = Target(some_interpreters(1)[0], code, env=preload(PYMEM_CONTROL=self.tmp))
        self.addCleanup(t.close)
        return t

    def ask(self, t, **options):
        capture = ask_agent(self.tmp, t.pid, narrow=True, **options)
        self.assertIsInstance(capture, Capture, capture)
        self.addCleanup(capture.close)
        return capture

    # What has happened when the reader stops.
    @staticmethod
    def asked(capture):
        pass

    @staticmethod
    def first_message(capture):
        assert capture.wait_message("hello", read_stream=False)

    @staticmethod
    def first_bytes(capture):
        assert until(lambda: capture.pump(0.05) or capture.data)

    @staticmethod
    def objects(capture):
        assert until(lambda: capture.pump(0.05) or
                     len(capture.data) > 44 and object_count(capture.data))

    @staticmethod
    def last_bytes(capture):
        assert until(lambda: capture.pump(0.05) or
                     len(capture.data) > 44 and is_complete(capture.data))

    PHASES = asked, first_message, first_bytes, objects, last_bytes

    def assert_next(self, t):
        """Where the last one's copy is gone, the next is whole."""
        def again():
            capture = ask_agent(self.tmp, t.pid)
            return capture if isinstance(capture, Capture) else None
        self.assertTrue(is_complete(until(again).finish().data))

    def test_reader_stops(self):
        t = self.target()
        for phase in self.PHASES:
            capture = self.ask(t)
            phase.__func__(capture)
            with self.subTest(phase=phase.__func__.__name__):
                # it runs while nothing is taken: a collection, threads, children
                self.assertEqual(t.ask("len([__import__('gc').collect(), *heap])"), 20001)
                self.assertEqual(t.ask("__import__('subprocess').call(['true'])"), 0)
                capture.close()
                self.assert_next(t)

    def test_reader_dies(self):
        t = self.target()
        for phase in self.PHASES:
            capture = self.ask(t)
            phase.__func__(capture)
            capture.close()
            with self.subTest(phase=phase.__func__.__name__):
                self.assertEqual(t.ask("len(heap)"), 20000)
                self.assert_next(t)

    def test_process_ends_meanwhile(self):
        """Its end waits for no reader either."""
        for phase in self.PHASES:
            t = self.target()
            capture = self.ask(t)
            phase.__func__(capture)
            with self.subTest(phase=phase.__func__.__name__):
                t.w.close()
                self.assertEqual(t.proc.wait(60), 0)

    def test_reader_stops_while_the_interpreter_is_held(self):
        """In place the GIL is held for the walk, but not for a reader."""
        t = self.target(THREADED)
        capture = self.ask(t, flags=NO_FORK)
        self.first_bytes(capture)
        self.assertEqual(t.ask("len(heap)"), 20000)
        self.assertFalse(is_complete(capture.data))
        self.assert_next(t)

    def test_messages_into_a_pipe(self):
        """A control channel that is a full pipe holds nobody up."""
        t = self.target(THREADED)
        r, w = os.pipe()
        self.addCleanup(os.close, r)
        os.set_blocking(w, False)
        for size in (4096, 1):
            try:
                while True:
                    os.write(w, b"x" * size)
            except BlockingIOError:
                pass
        os.set_blocking(w, True)
        receive, stream = socket.socketpair()
        with receive, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            path = self.path("%d.sock" % t.pid)
            self.assertTrue(until(lambda: os.path.exists(path)))
            client.connect(path)
            start = START.pack(MAGIC, 3, START.size, 1, NO_FORK, NONCE, -1, -1, -1, os.getpid(),
                               0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, b"", b"", b"")
            socket.send_fds(client, [start], [w, stream.fileno(), self.command()])
            self.assertEqual(struct.unpack("<i", client.recv(64)), (0,))
            os.close(w)
            stream.close()
            data = bytearray()
            receive.settimeout(120)
            for chunk in iter(lambda: receive.recv(1 << 20), b""):
                data += chunk
        self.assertTrue(is_complete(data))
        self.assertEqual(t.ask("len(heap)"), 20000)

    def command(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        return theirs.fileno()


class AtExit(PreloadCase):
    """Of PYMEM_SOCKET and of a named pipe: the program ends, with its own status."""

    def reader(self, path, take):
        """Takes so many bytes of one connection, then holds it open."""
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(path)
        server.listen(1)

        def serve():
            peer, _ = server.accept()
            self.addCleanup(peer.close)
            left = take
            while left > 0:
                left -= len(peer.recv(min(left, 1 << 16))) or left
        threading.Thread(target=serve, daemon=True).start()

    def program(self, **variables):
        """Reads of a heap that no socket and no pipe holds."""
        p = subprocess.Popen([some_interpreters(1)[0].path, "-c",
                              BASE + "heap += [[i] for i in range(400000)]\nsys.exit(7)"],
                             env=preload(PYMEM_AT_EXIT=1, **variables), stderr=subprocess.PIPE)
        self.addCleanup(p.stderr.close)
        self.addCleanup(p.kill)
        return p

    def test_readers_that_stop(self):
        running = []        # all at once: each is given up after 10 seconds
        for take in (0, 1000, 300000):
            path = self.path("socket%d" % take)
            self.reader(path, take)
            running.append((take, self.program(PYMEM_SOCKET=path)))
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        held = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, held)
        running.append(("pipe", self.program(PYMEM_OUTPUT=fifo)))
        path = self.path("beside")
        self.reader(path, 1000)
        running.append(("beside a file", self.program(PYMEM_SOCKET=path,
                                                      PYMEM_OUTPUT=self.path("file.pymem"))))
        for name, p in running:
            with self.subTest(reader=name):
                said = p.stderr.read()      # to its end
                self.assertEqual(p.wait(60), 7)
                if name == "beside a file":
                    self.assertEqual(said, b"")
                else:
                    self.assertRegex(said, b"^pymem: no snapshot.*took nothing.*\n$")
        self.assert_whole(self.path("file.pymem"))


if __name__ == "__main__":
    main()
