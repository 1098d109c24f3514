# SPDX-License-Identifier: MIT
"""Drives a page that pymem-view made in a real Firefox (tests/run --browser), by its own
remote protocol, Marionette: length:[type, id, command, parameters] over TCP.
    firefox.py FIREFOX PAGE.html OUT-DIRECTORY
Checks what page.js checks in Chromium: the page opens without a request and without a
message on the console, the map zooms both ways up, tables sort and filter, cards open,
light becomes dark; and all there is to read is there without the script.  Ends with 0, or
1 and the reason."""
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = 240     # seconds for Firefox to begin; a command has as many
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
PREFERENCES = {
    "marionette.port": 0,       # a free one: it is written into the profile
    "browser.shell.checkDefaultBrowser": False,
    "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "app.update.disabledForTesting": True,
    "security.sandbox.content.level": 0,     # root in a container can't make its sandbox
}
# What a page that isn't ours to trust would do: seen from inside the browser.
WATCH = """
    const seen = globalThis.pymemSeen = [];
    globalThis.pymemObserver = { observe(subject) {
        const channel = subject.QueryInterface(Ci.nsIHttpChannel);
        const from = channel.loadInfo.loadingPrincipal || channel.loadInfo.triggeringPrincipal;
        if (from && from.spec && from.spec.startsWith("file:")) seen.push(channel.URI.spec);
    } };
    Services.obs.addObserver(globalThis.pymemObserver, "http-on-modify-request");
    Services.console.reset();
"""
SEEN = """
    const storage = Cc["@mozilla.org/consoleAPI-storage;1"].getService(Ci.nsIConsoleAPIStorage);
    const said = storage.getEvents().filter((e) => String(e.filename).startsWith("file:"))
        .map((e) => "console: " + e.arguments.join(" "));
    for (const m of Services.console.getMessageArray())
        if (m instanceof Ci.nsIScriptError && m.sourceName.startsWith("file:"))
            said.push(m.errorMessage);
    return [globalThis.pymemSeen, said];
"""


class Firefox:
    def __init__(self, program, script=True):
        self.profile = tempfile.mkdtemp(prefix="pymem-firefox-")
        with open(os.path.join(self.profile, "user.js"), "w") as f:
            for key, value in dict(PREFERENCES, **{"javascript.enabled": script}).items():
                f.write("user_pref(%s, %s);\n" % (json.dumps(key), json.dumps(value)))
        env = dict(os.environ, MOZ_HEADLESS="1", HOME=self.profile, MOZ_CRASHREPORTER_DISABLE="1",
                   MOZ_HEADLESS_WIDTH="1240", MOZ_HEADLESS_HEIGHT="900")
        self.process = subprocess.Popen(
            [program, "--marionette", "--remote-allow-system-access", "--no-remote",
             "--profile", self.profile], env=env, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.count, self.read = 0, b""

    def __enter__(self):
        try:
            self.socket = socket.create_connection(("127.0.0.1", self.port()), PATIENCE)
            self.answer()   # who it is
            self("WebDriver:NewSession")
        except BaseException:
            self.__exit__()
            raise
        return self

    def port(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with open(os.path.join(self.profile, "MarionetteActivePort")) as f:
                    return int(f.read())
            except (OSError, ValueError):
                time.sleep(0.1)
        raise AssertionError("Firefox doesn't begin: %s" % self.process.poll())

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def answer(self):
        while b":" not in self.read:
            self.receive()
        size, self.read = self.read.split(b":", 1)
        while len(self.read) < int(size):
            self.receive()
        text, self.read = self.read[:int(size)], self.read[int(size):]
        return json.loads(text)

    def receive(self):
        more = self.socket.recv(1 << 16)
        assert more, "Firefox ended"
        self.read += more

    def __call__(self, command, **parameters):
        self.count += 1
        text = json.dumps([0, self.count, command, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(text), text))
        _, _, error, result = self.answer()
        assert not error, "%s: %s" % (command, error)
        return result

    def inside(self, script):
        """In the browser itself."""
        self("Marionette:SetContext", value="chrome")
        result = self("WebDriver:ExecuteScript", script=script, args=[], newSandbox=False,
                      sandbox="system")["value"]
        self("Marionette:SetContext", value="content")
        return result

    def run(self, script, *args):
        """In the page."""
        return self("WebDriver:ExecuteScript", script=script, args=list(args))["value"]

    def one(self, selector):
        return self("WebDriver:FindElement", using="css selector", value=selector)["value"][ELEMENT]

    def click(self, selector):
        element = self.one(selector)
        self("WebDriver:ElementClick", id=element)

    def fill(self, selector, text):
        element = self.one(selector)
        self("WebDriver:ElementClear", id=element)
        if text:
            self("WebDriver:ElementSendKeys", id=element, text=text)

    def picture(self, path):
        shot = self("WebDriver:TakeScreenshot", full=False, hash=False)["value"]
        with open(path, "wb") as f:
            f.write(base64.b64decode(shot))

    def open(self, page):
        self.inside(WATCH)
        self("WebDriver:Navigate", url="file://" + os.path.abspath(page))


# Marked so that what is clicked has a selector of its own.
BUTTON = """
    for (const b of document.querySelectorAll("button.mark")) b.classList.remove("mark");
    const found = [...(arguments[1] ? document.querySelector(arguments[1]) : document)
        .querySelectorAll("button")].find((b) => b.textContent.trim() === arguments[0]);
    if (found) found.classList.add("mark");
    return Boolean(found);
"""
BLOCKS = """
    return [...document.querySelectorAll("section.map")[0].querySelectorAll("svg rect.hit")]
        .map((r) => [r.querySelector("title").textContent, Number(r.getAttribute("width"))]);
"""
ZOOM = """
    document.querySelectorAll("section.map")[0].querySelectorAll("svg rect.hit")[1]
        .dispatchEvent(new MouseEvent("click", { bubbles: true }));
"""
TYPES = """
    const all = [...document.querySelectorAll("section.sheet")];
    const sheet = all.find((s) => [...s.querySelectorAll("h3")]
        .some((h) => h.textContent.trim() === "Types"));
    sheet.id = sheet.id || "types-sheet";
    return sheet.id;
"""
COUNTS = """
    return [...document.getElementById(arguments[0])
        .querySelectorAll("tbody tr:not(.hidden) td:nth-child(2)")].map((c) => Number(c.dataset.v));
"""


def press(firefox, text, within=None):
    assert firefox.run(BUTTON, text, within), "no button " + text
    firefox.click("button.mark")


def check_map(firefox, out):
    whole = firefox.run(BLOCKS)
    assert len(whole) > 3, "the map has blocks"
    firefox.run(ZOOM)
    zoomed = firefox.run(BLOCKS)
    assert zoomed[0][0] == whole[1][0] and zoomed[0][1] > whole[1][1], "zoomed"
    firefox.click("section.map .crumbs button")
    assert len(firefox.run(BLOCKS)) == len(whole), "and back"
    for button in ("Treemap", "By type", "Icicle", "By holder"):
        press(firefox, button, "section.map")
        assert len(firefox.run(BLOCKS)) > 1, button
        firefox.picture(os.path.join(out, "firefox-%s.png" % button.replace(" ", "-")))
    firefox.fill("section.map input", "no such name")
    dim = firefox.run("return document.querySelector('section.map')"
                      ".querySelectorAll('g.dim').length")
    assert dim == len(firefox.run(BLOCKS)), "all are dim"
    firefox.fill("section.map input", "")


def check_table(firefox):
    sheet = firefox.run(TYPES)
    press(firefox, "Count", "#" + sheet)
    counts = firefox.run(COUNTS, sheet)
    assert counts == sorted(counts, reverse=True), "sorted by count"
    press(firefox, "Count", "#" + sheet)
    assert firefox.run(COUNTS, sheet) == sorted(counts), "and the other way"
    if firefox.run("return Boolean(document.querySelector(arguments[0]))", "#%s input" % sheet):
        firefox.fill("#%s input" % sheet, "builtins.d")
        assert 0 < len(firefox.run(COUNTS, sheet)) < len(counts), "filtered"
        firefox.fill("#%s input" % sheet, "")


def check_card(firefox):
    card = firefox.run("""
        const link = document.querySelector(".suspects a[href^='#o']");
        link.click();
        return link.getAttribute("href").slice(1);""")
    end = time.monotonic() + PATIENCE   # the page hears of it a little later
    while not firefox.run("return document.getElementById(arguments[0]).open", card):
        assert time.monotonic() < end, "the card is open"
    assert firefox.run("return document.getElementById(arguments[0])"
                       ".querySelectorAll('ol.path li').length", card) > 0, "with its path"


def check_theme(firefox, out):
    colour = "return getComputedStyle(document.body).backgroundColor"
    before = firefox.run(colour)
    press(firefox, "Light / dark")
    assert firefox.run(colour) != before, "dark"
    firefox.run("scrollTo(0, 0)")
    firefox.picture(os.path.join(out, "firefox-dark.png"))


def check(program, page, out):
    with Firefox(program) as firefox:
        firefox.open(page)
        firefox.picture(os.path.join(out, "firefox-light.png"))
        check_map(firefox, out)
        check_table(firefox)
        check_card(firefox)
        check_theme(firefox, out)
        assert firefox.inside(SEEN) == [[], []], firefox.inside(SEEN)
        assert firefox.run("return performance.getEntriesByType('resource').length") == 0
        print("Firefox %s" % firefox.inside("return Services.appinfo.version"))
    with Firefox(program, script=False) as firefox:
        firefox.open(page)
        body = firefox.one("body")
        text = firefox("WebDriver:GetElementText", id=body)["value"]
        for part in ("Where memory accumulates", "The map", "Types", "Objects named above"):
            assert part in text, part + ", without the script"
        rects = firefox("WebDriver:FindElements", using="css selector", value="svg.icicle rect")
        assert len(rects) > 3, "a picture without the script"   # this answer is a bare list
        firefox.picture(os.path.join(out, "firefox-plain.png"))


if __name__ == "__main__":
    try:
        check(*sys.argv[1:])
    except AssertionError as error:
        sys.exit("firefox.py: %s" % error)
