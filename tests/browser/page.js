"use strict";
/* Drives pages that pymem-view made in a real Chromium (tests/run --browser).
 *   node page.js CHROMIUM PAGE.html OUT-DIRECTORY
 * Checks that they open without a request and without a message on the console, that the
 * map zooms both ways up, tables sort and filter, cards open, light becomes dark; and
 * that all there is to read is there without the script. Ends with 0, or 1 and the reason. */
const assert = require("assert");
const path = require("path");
const { chromium } = require("playwright-core");

const [executablePath, file, out] = process.argv.slice(2);

async function open(browser, options) {
  const page = await browser.newPage({ viewport: { width: 1240, height: 900 }, ...options });
  const seen = { messages: [], requests: [] };
  page.on("console", (m) => seen.messages.push(m.text()));
  page.on("pageerror", (e) => seen.messages.push(String(e)));
  page.on("request", (r) => seen.requests.push(r.url()));
  page.on("dialog", (d) => { seen.messages.push("a dialog: " + d.message()); d.dismiss(); });
  await page.goto("file://" + path.resolve(file), { waitUntil: "load" });
  return { page, seen };
}

async function checkMap(page) {
  const map = page.locator("section.map").first();
  const blocks = map.locator("svg rect.hit");
  const whole = await blocks.count();
  assert(whole > 3, "the map has blocks");
  const width = (at) => blocks.nth(at).getAttribute("width").then(Number);
  const before = await width(1);
  const name = await blocks.nth(1).locator("title").textContent();
  await blocks.nth(1).click({ force: true });
  assert.strictEqual(await blocks.nth(0).locator("title").textContent(), name, "zoomed");
  assert(await width(0) > before, "it fills the width");
  assert.strictEqual(await map.locator(".crumbs button").count(), 2);
  await page.keyboard.press("Escape");
  await map.locator(".crumbs button").first().click();
  assert.strictEqual(await blocks.count(), whole, "and back");
  const readings = new Set();
  for (const button of ["Treemap", "By type", "Icicle", "By holder"]) {
    await map.getByRole("button", { name: button, exact: true }).click();
    assert(await blocks.count() > 1, button);
    readings.add(await map.locator("p.note").textContent());
    await page.screenshot({ path: path.join(out, "map-" + button.replace(" ", "-") + ".png") });
  }
  assert.strictEqual(readings.size, 4, "each map says how it is read");
  await map.locator("input").fill("no such name");
  assert.strictEqual(await map.locator("g.dim").count(), await blocks.count(), "all are dim");
  await map.locator("input").fill("");
}

async function checkTable(page) {
  const sheet = page.locator("section.sheet", { has: page.locator("h3", { hasText: /^Types$/ }) })
    .first();
  const head = sheet.locator("th", { hasText: "Count" });
  const counts = () => sheet.locator("tbody tr:not(.hidden) td:nth-child(2)").evaluateAll(
    (cells) => cells.map((c) => Number(c.dataset.v)));
  const sorted = (list) => list.every((n, i) => !i || list[i - 1] >= n);
  await head.getByRole("button").click();
  assert(sorted(await counts()), "sorted by count");
  assert.strictEqual(await head.getAttribute("aria-sort"), "descending");
  await head.getByRole("button").click();
  assert(sorted((await counts()).reverse()), "and the other way");
  const filter = sheet.locator("input");
  if (await filter.count()) {
    const all = (await counts()).length;
    await filter.fill("builtins.d");
    const left = (await counts()).length;
    assert(left > 0 && left < all, "filtered");
    await filter.fill("");
  }
}

async function checkCard(page) {
  const link = page.locator(".suspects a[href^='#o']").first();
  const card = page.locator((await link.getAttribute("href")).replace(/#(.*)/, "[id='$1']"));
  await link.click();
  assert(await card.evaluate((c) => c.open), "the card is open");
  assert(await card.locator("ol.path li").count() > 0, "with its path");
}

/* On a phone the page is as wide as the screen: what is wider scrolls in its own box. */
async function checkNarrow(browser) {
  const { page } = await open(browser, { viewport: { width: 400, height: 800 } });
  assert.strictEqual(await page.evaluate(() => document.documentElement.scrollWidth), 400);
  await page.screenshot({ path: path.join(out, "narrow.png") });
  await page.close();
}

async function checkTheme(page) {
  const colour = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const before = await colour();
  await page.getByRole("button", { name: "Light / dark" }).click();
  assert.notStrictEqual(await colour(), before, "dark");
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: path.join(out, "dark.png") });
}

(async function () {
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const { page, seen } = await open(browser);
    await page.screenshot({ path: path.join(out, "light.png") });
    await page.screenshot({ path: path.join(out, "whole.png"), fullPage: true });
    await checkMap(page);
    await checkTable(page);
    await checkCard(page);
    await checkTheme(page);
    assert.deepStrictEqual(seen.messages, [], "messages on the console");
    assert.strictEqual(seen.requests.length, 1, "requests: " + seen.requests.join(" "));
    const took = await page.evaluate(() => performance.timing.loadEventEnd -
      performance.timing.navigationStart);
    console.log("opened in " + took + " ms");

    await checkNarrow(browser);
    const plain = await open(browser, { javaScriptEnabled: false });
    await plain.page.screenshot({ path: path.join(out, "plain.png"), fullPage: true });
    const text = await plain.page.textContent("body");
    for (const part of ["Where memory accumulates", "The map", "Types", "Objects named above"])
      assert(text.includes(part), part + ", without the script");
    assert(await plain.page.locator("svg.icicle rect").count() > 3, "a picture without the script");
    const dark = await open(browser, { colorScheme: "dark" });
    assert.notStrictEqual(await dark.page.evaluate(
      () => getComputedStyle(document.body).backgroundColor), "rgb(251, 251, 249)", "dark");
  } finally {
    await browser.close();
  }
})().then(() => process.exit(0), (e) => { console.error(e.message); process.exit(1); });
