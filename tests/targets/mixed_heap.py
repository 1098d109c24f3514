# SPDX-License-Identifier: MIT
"""A heap as applications have it, for measuring: seeded, of any size, in creation
order or shuffled and aged.  Any Python from 3.6 on; the standard library alone.

    from mixed_heap import build
    kept = build("mixed", 1000000, shuffled=False, seed=1)

Recipe "mixed": groups of about twenty objects, picked at random by the weights
in KINDS.  Over all groups: instances of some thirty classes (plain, with slots, with
both, inherited slots, frozen data classes, named tuples, exceptions, subclasses of
dict, list, str, int and tuple, with properties, with __eq__ and __hash__, with more
attributes on some instances than on others), dicts with str, int, tuple, mixed and
deleted keys and of one to forty entries, members of enums, decimals, fractions,
dates, times and time spans, deques, OrderedDicts, defaultdicts, Counters, sets and
frozensets, closures, bound methods, partial functions, weak references, generators
that wait, compiled patterns shared by many, bytes and bytearrays, arrays, floats,
complex and large numbers, chains of up to two hundred links, and strings: most of
them own, a fifth shared with other groups or interned.

Recipe "records": one class with a dict, a number, a string and a tuple of both;
six objects each.

Shuffled: the groups are held in random order, and aged: while the heap grows a
quarter of the groups is thrown away again and made anew, so that addresses, the
collector's lists and who holds whom are in three different orders.
"""
import array
import collections
import datetime
import decimal
import enum
import fractions
import functools
import random
import re
import weakref


class Color(enum.Enum):
    RED, GREEN, BLUE = 1, 2, 3


class Access(enum.IntFlag):
    READ, WRITE, EXECUTE = 1, 2, 4


class Plain:
    def __init__(self, n, name):
        self.id = n
        self.name = name


class User(Plain):
    def __init__(self, n, name, email):
        super().__init__(n, name)
        self.email = email
        self.active = True
        self.roles = []

    def greet(self):
        return "hello " + self.name


class Account:
    def __init__(self, owner, balance):
        self.owner, self.balance, self.currency = owner, balance, "EUR"
        self.history, self.limit, self.opened = [], None, None

    @property
    def rich(self):
        return self.balance > 1000

    def deposit(self, amount):
        self.balance += amount


class Order:
    def __init__(self, n, lines):
        self.number, self.lines, self.total, self.note = n, lines, 0.5 * n, None


class Line:
    __slots__ = ("article", "amount", "price")

    def __init__(self, article, amount, price):
        self.article, self.amount, self.price = article, amount, price


class Point:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)

    def __hash__(self):
        return hash((self.x, self.y))


class Point3(Point):
    __slots__ = ("z",)

    def __init__(self, x, y, z):
        super().__init__(x, y)
        self.z = z


class Half:
    __slots__ = ("key", "__dict__", "__weakref__")

    def __init__(self, key):
        self.key = key


class Link:
    __slots__ = ("next", "value")

    def __init__(self, next_, value):
        self.next, self.value = next_, value


class Tree:
    def __init__(self, label, left=None, right=None):
        self.label, self.left, self.right = label, left, right


class Headers(dict):
    pass


class Page(list):
    def __init__(self, items, title):
        super().__init__(items)
        self.title = title


class Path(str):
    pass


class Money(int):
    def __new__(cls, value, currency):
        self = super().__new__(cls, value)
        self.currency = currency
        return self


class Span(tuple):
    __slots__ = ()


class NotFound(LookupError):
    def __init__(self, what):
        super().__init__(what, 404)
        self.what = what


class Settings:
    """More attributes on some instances than on others."""

    def __init__(self, random_):
        for i in range(random_.randrange(1, 9)):
            setattr(self, "option_%d" % random_.randrange(30), i)


class Callback:
    def __init__(self, function, *args):
        self.function, self.args = function, args

    def run(self):
        return self.function(*self.args)


class Event:
    __slots__ = ("when", "kind", "data")

    def __init__(self, when, kind, data):
        self.when, self.kind, self.data = when, kind, data


class Cache:
    def __init__(self):
        self.entries = collections.OrderedDict()
        self.hits = self.misses = 0


class Node:
    def __init__(self, parent):
        self.parent, self.children = parent, []


class Matrix:
    def __init__(self, rows):
        self.rows, self.shape = rows, (len(rows), len(rows[0]))


class Descriptor:
    def __init__(self, default):
        self.default = default

    def __get__(self, instance, owner):
        return self.default


class Form:
    title = Descriptor("untitled")

    def __init__(self, fields):
        self.fields = fields
        self.errors = {}


class Request:
    def __init__(self, path, headers, body):
        self.method, self.path, self.headers, self.body = "GET", path, headers, body
        self.user = self.session = self.response = None


Pair = collections.namedtuple("Pair", "left right")
Address = collections.namedtuple("Address", "street number city country")

try:
    import dataclasses

    @dataclasses.dataclass(frozen=True)
    class Position:
        latitude: float
        longitude: float

    @dataclasses.dataclass
    class Product:
        name: str
        price: decimal.Decimal
        tags: tuple
        stock: int = 0
except ImportError:  # 3.6
    class Position:
        def __init__(self, latitude, longitude):
            self.latitude, self.longitude = latitude, longitude

    class Product:
        def __init__(self, name, price, tags, stock=0):
            self.name, self.price, self.tags, self.stock = name, price, tags, stock

CITIES = ["city of %d" % i for i in range(200)]
PATTERNS = [re.compile("a%d+" % i) for i in range(20)]
DAY = datetime.datetime(2024, 1, 1)
UTC = datetime.timezone.utc


def _user(n, r):
    user = User(n, "user %d" % n, "u%d@example.org" % n)
    user.roles = [CITIES[n % 200], "role %d" % (n % 7)]
    account = Account(user, decimal.Decimal(n) / 100)
    account.opened = DAY + datetime.timedelta(minutes=n % 1000000)
    account.history = [(n + i, "entry %d.%d" % (n, i)) for i in range(3)]
    return account


def _order(n, r):
    lines = [Line("article %d" % (n + i), i + 300, i * 0.25) for i in range(4)]
    order = Order(n + 1000, lines)
    order.note = CITIES[n % 200]
    return order


def _points(n, r):
    return [Point(n + 0.5, n * 2.0), Point3(n + 1000, n + 2000, n + 3000),
            Position(n * 0.001, n * 0.002), Span((n + 5000, n + 6000)),
            Pair("left %d" % n, n * 1.5), complex(n, 1)]


def _json(n, r):
    return {"id": n + 100000, "name": "item %d" % n, "tags": ["t%d" % (n % 9), "x%d" % n],
            "price": n * 0.01, "nested": {"a": n + 7000, "b": [n + 1, n + 2], "c": None},
            "city": CITIES[n % 200], "ok": True}


def _dicts(n, r):
    numbers = {n + i: "v%d" % (n + i) for i in range(4)}
    pairs = {(n, i): n * 0.5 + i for i in range(3)}
    mixed = {"a": n + 800, 5: CITIES[n % 200], None: 1.5 + n, (1, 2): b"x%d" % n}
    holes = {str(i): i for i in range(6)}
    for i in range(3):
        del holes[str(i)]
    return [numbers, pairs, mixed, holes, {}]


def _large_dict(n, r):
    return {"key %d.%d" % (n, i): i for i in range(r.randrange(8, 40))}


def _dates(n, r):
    when = DAY + datetime.timedelta(seconds=n)
    return [when, when.date(), when.time(), datetime.timedelta(n % 1000, n % 86400),
            datetime.datetime(2020, 1 + n % 12, 1, tzinfo=UTC),
            Event(when, Color.RED, {"n": n + 900}), decimal.Decimal("%d.25" % n),
            fractions.Fraction(n + 1, 7), Color.BLUE, Access.READ, Access.READ | Access.WRITE]


def _collections(n, r):
    cache = Cache()
    for i in range(3):
        cache.entries["c%d.%d" % (n, i)] = n + 400 + i
    return [cache, collections.deque((n + i + 300 for i in range(5)), maxlen=16),
            collections.defaultdict(list, {"d%d" % n: [n + 500]}),
            collections.Counter("abcab"), collections.ChainMap({"m": n + 600}, {})]


def _sets(n, r):
    return [{n + 300, n + 301, "s%d" % n}, frozenset((n + 302, CITIES[n % 200])),
            {"u%d.%d" % (n, i) for i in range(9)}, set()]


def _functions(n, r):
    total = n + 300

    def add(x, y=n + 301):
        return total + x + y

    def both():
        return add(total)
    user = Plain(n, "callee %d" % n)
    callback = Callback(both, n + 302, "arg %d" % n)
    return [add, callback, callback.run, functools.partial(add, n + 303, y=2),
            Account(user, n + 0.5).deposit, lambda: user]


def _generator(n):
    local = "local %d" % n
    yield local
    yield n


def _waiting(n, r):
    g = _generator(n + 300)
    next(g)
    half = Half("key %d" % n)
    half.extra = n + 301
    return [g, half, weakref.ref(half), iter([n + 302, n + 303]), PATTERNS[n % 20]]


def _bytes(n, r):
    return [b"bytes %d" % n, bytearray(b"array %d" % n), array.array("d", [n, n + 1.0]),
            b"x" * (n % 300), 2 ** 70 + n, n * 1000003, -n - 300, memoryview(b"view %d" % n),
            "umlaut \xe4 %d" % n, "wide \u20ac %d" % n, "x" * (n % 120)]


def _chain(n, r):
    chain = None
    for i in range(r.randrange(3, 40 if n % 10 else 200)):
        chain = Link(chain, n + 300 + i)
    return chain


def _tree(n, r):
    root = Node(None)
    for i in range(3):
        child = Node(root)
        child.children.append(Tree("leaf %d.%d" % (n, i), Tree(CITIES[n % 200]), None))
        root.children.append(child)
    return root


def _subclasses(n, r):
    page = Page((n + i + 300 for i in range(3)), "title %d" % n)
    headers = Headers(host="h%d" % n, length=n + 303)
    return Request(Path("/p/%d" % n), headers, page), Money(n + 304, "EUR"), \
        NotFound("nothing %d" % n), Settings(r), Settings(r)


def _product(n, r):
    product = Product("product %d" % n, decimal.Decimal(n) / 100, (CITIES[n % 200], "t"))
    form = Form({"name": product.name, "price": product.price})
    address = Address("street %d" % n, n + 300, CITIES[n % 200], "DE")
    return [product, form, address, Matrix([[n * 1.0, 2.0], [n * 3.0, 4.0]])]


# what, how often
KINDS = ((_user, 12), (_order, 10), (_points, 8), (_json, 14), (_dicts, 6),
         (_large_dict, 3), (_dates, 7), (_collections, 5), (_sets, 5), (_functions, 6),
         (_waiting, 3), (_bytes, 6), (_chain, 5), (_tree, 5), (_subclasses, 6),
         (_product, 6))
PICKED = [kind for kind, weight in KINDS for _ in range(weight)]


class Record:
    def __init__(self, i):
        self.key = i * 7919 + 100000
        self.name = "record %d" % i
        self.pair = (i + 1000000, "v%d" % i)


def _mixed(n, r):
    return PICKED[r.randrange(len(PICKED))](n, r)


def _record(n, r):
    return Record(n)


# how a group is made, objects in one on the average
RECIPES = {"mixed": (_mixed, 19.5), "records": (_record, 6)}


def build(recipe, objects, shuffled=False, seed=1):
    """A list that holds about so many objects."""
    make, size = RECIPES[recipe]
    r = random.Random(seed)
    kept = []
    for n in range(int(objects / size)):
        kept.append(make(n, r))
        if shuffled and n % 4 == 3:
            kept[r.randrange(len(kept))] = make(n, r)
    if shuffled:
        r.shuffle(kept)
    return kept
