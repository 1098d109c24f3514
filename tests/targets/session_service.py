# SPDX-License-Identifier: MIT
"""A small web shop with a leak, for the quickstart: logins make sessions, and
nobody ever expires them.

It serves HTTP on a free local port and makes its own traffic: visitors log in,
look at products, put them into their cart and go away for good.  Everything is
the standard library; any Python from 3.6 runs it.

    python3 session_service.py [VISITORS_AT_START [VISITORS_PER_SECOND]]

Prints "ready PORT" when the visitors of the start have been.
"""
import ctypes
import functools
import http.client
import http.server
import json
import random
import socketserver
import sys
import threading
import time


class Product:
    def __init__(self, number, name, price):
        self.number = number
        self.name = name
        self.price = price


class CartItem:
    __slots__ = ("product", "quantity")

    def __init__(self, product, quantity):
        self.product = product
        self.quantity = quantity


class Session:
    def __init__(self, token, user, address):
        self.token = token
        self.user = user
        self.address = address
        self.created = time.time()
        self.cart = []
        self.history = []

    def visit(self, path):
        self.history.append((time.time(), path))


class SessionStore:
    """All sessions by token.  expire() exists; nothing calls it: the leak."""

    def __init__(self, lifetime=1800):
        self.sessions = {}
        self.lifetime = lifetime
        self.lock = threading.Lock()

    def login(self, user, address):
        token = "%032x" % random.getrandbits(128)
        session = Session(token, user, address)
        with self.lock:
            self.sessions[token] = session
        return session

    def get(self, token):
        return self.sessions.get(token)

    def expire(self):
        oldest = time.time() - self.lifetime
        with self.lock:
            for token in [t for t, s in self.sessions.items() if s.created < oldest]:
                del self.sessions[token]


PRODUCTS = [Product(i, "product %d" % i, 1 + i % 100) for i in range(500)]
STORE = SessionStore()


@functools.lru_cache(maxsize=256)
def product_page(number):
    product = PRODUCTS[number]
    return json.dumps({"number": number, "name": product.name, "price": product.price})


def answer(path, token, address):
    """The application: (status, body, token)."""
    if path.startswith("/login/"):
        session = STORE.login(path[len("/login/"):], address)
        return 200, json.dumps({"welcome": session.user}), session.token
    session = STORE.get(token)
    if session is None:
        return 403, "{}", None
    session.visit(path)
    kind, _, number = path[1:].partition("/")
    if kind == "product" and number.isdigit():
        return 200, product_page(int(number) % len(PRODUCTS)), token
    if kind == "buy" and number.isdigit():
        session.cart.append(CartItem(PRODUCTS[int(number) % len(PRODUCTS)], 1))
        return 200, json.dumps({"items": len(session.cart)}), token
    return 404, "{}", token


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status, body, token = answer(self.path, self.headers.get("X-Token"),
                                     self.client_address[0])
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if token:
            self.send_header("X-Token", token)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format, *args):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True


def paths(number):
    yield "/login/user%d@example.org" % number
    for i in range(random.randrange(1, 5)):
        yield "/product/%d" % random.randrange(len(PRODUCTS))
    if random.random() < 0.4:
        yield "/buy/%d" % random.randrange(len(PRODUCTS))


def visit_at_once(number):
    """A visitor without the network: to have some history at the start."""
    token = None
    for path in paths(number):
        token = answer(path, token, "192.0.2.%d" % (number % 256))[2] or token


def visit_over_http(connection, number):
    token = None
    for path in paths(number):
        connection.request("GET", path, headers={"X-Token": token} if token else {})
        response = connection.getresponse()
        token = response.getheader("X-Token") or token
        response.read()


def traffic(port, number, per_second):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    while True:
        visit_over_http(connection, number)
        number += 1
        time.sleep(1.0 / per_second)


def let_others_look():
    """Where Yama lets only parents trace (Ubuntu's default), a process may say
    that it agrees: prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY)."""
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope") as f:
            if f.read().strip() == "1":
                ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
    except (OSError, AttributeError):
        pass


def main():
    let_others_look()
    at_start = int(sys.argv[1]) if len(sys.argv) > 1 else 40000
    per_second = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, name="server", daemon=True).start()
    for number in range(at_start):
        visit_at_once(number)
    print("ready %d" % server.server_port, flush=True)
    traffic(server.server_port, at_start, per_second)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
