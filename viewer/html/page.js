"use strict";
/* What the script adds to the page: zoomable maps, tables to sort and filter, a choice of
 * processes, light and dark. Text goes into the page as text only (textContent). Spaces, no
 * tabs: the page is written through an escaping printer. */
(function () {
  const SVG = "http://www.w3.org/2000/svg";
  const NAME = 0, STEP = 1, KIND = 2, SIZE = 3, OBJECTS = 4, CARD = 5, CHILDREN = 6;
  const WIDTH = 1132, ROW = 22, ROWS = 18, LETTER = 6.7;

  const READING = {
    holder: {
      icicle: "Each block keeps alive what is below it; its width is how much that is.",
      treemap: "Each block keeps alive what is in it; its area is how much that is."
    },
    type: {
      icicle: "Below all: each type, as wide as its objects are large together; below it the " +
        "types of what keeps these alive, step by step.",
      treemap: "In all: each type, as large as its objects are together; in it the types of " +
        "what keeps these alive, step by step."
    }
  };

  function make(tag, text, attributes) {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    return element;
  }

  function shape(tag, attributes) {
    const element = document.createElementNS(SVG, tag);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    return element;
  }

  function bytes(n) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let unit = 0;
    while (n >= (unit ? 999.995 : 1024) && unit < units.length - 1) { n /= 1024; unit++; }
    return (unit ? n.toFixed(2) : n) + " " + units[unit];
  }

  function count(n) { return n.toLocaleString("en-US"); }

  /* Of an object by its type, which its kind begins with; of a type by itself. */
  function colour(node, typed) {
    const word = (!typed && node[KIND] || node[NAME]).split(/[ ,]/)[0];
    const utf8 = new TextEncoder().encode(word);
    let hash = 0;
    for (const c of utf8) hash = (hash * 31 + c) % 65521;
    return "c" + hash % 8;
  }

  /* At most `room` characters, the middle left out. */
  function cut(text, room) {
    const all = Array.from(text);
    if (all.length <= room) return text;
    if (room < 2) return "";
    const head = room < 8 ? room - 1 : Math.floor(room / 3);
    return all.slice(0, head).join("") + "\u2026" +
      all.slice(all.length - (room - head - 1)).join("");
  }

  /* What it is; the name of many alike has their type already. */
  function kind(node) { return node[KIND].replace(/^.*, alike$/, "alike"); }

  function label(node, room) {
    const size = " " + bytes(node[SIZE]);
    const step = node[STEP] || node[NAME];
    for (const text of [node[NAME] + size, node[NAME], step + size, step])
      if (Array.from(text).length <= room) return text;
    return cut(step, room);
  }

  /* ---- the map ---- */

  function makeMap(section) {
    const trees = JSON.parse(section.querySelector("script").textContent);
    const chart = section.querySelector(".chart"), note = section.querySelector("p.note");
    const state = { tree: "holder", look: "icicle", path: [trees.holder], find: "" };
    const tools = make("div", undefined, { class: "tools" });
    const crumbs = make("div", undefined, { class: "crumbs", "aria-label": "where you are" });
    const about = make("p", "", { class: "about", "aria-live": "polite" });
    const buttons = [];

    function top() { return state.path[state.path.length - 1]; }

    function tell(node) {
      about.textContent = "";
      if (!node) return;
      const share = 100 * node[SIZE] / state.path[0][SIZE];
      about.append(make("code", node[NAME]), " " + kind(node) + " ",
        make("span", bytes(node[SIZE]), { class: "size" }),
        " (" + share.toFixed(1) + " %) in " + count(node[OBJECTS]) + " objects");
      if (node[CARD]) about.append(" ", make("a", "more about it", { href: "#" + node[CARD] }));
    }

    function zoom(node) {
      /* the way to it from the top, so that each step can be gone back */
      const way = [];
      (function search(from) {
        if (from === node) return true;
        for (const child of from[CHILDREN])
          if (search(child)) { way.unshift(child); return true; }
        return false;
      })(top());
      state.path.push(...way);
      draw();
    }

    function block(svg, node, x, y, width, height, shown, up) {
      const g = shape("g", {});
      const rect = shape("rect", { x: x, y: y, width: width, height: height,
        class: (node ? colour(node, state.tree === "type") + " hit" : "rest"), tabindex: node ? 0 : -1 });
      g.append(rect);
      if (node) {
        const title = shape("title", {});
        title.textContent = node[NAME] + " " + kind(node) + ", " + bytes(node[SIZE]);
        rect.append(title);
        if (state.find && !(node[NAME] + " " + node[KIND]).toLowerCase().includes(state.find))
          g.setAttribute("class", "dim");
        rect.addEventListener("mouseenter", function () { tell(node); });
        rect.addEventListener("focus", function () { tell(node); });
        const go = function () {
          if (up) { state.path.length = up; draw(); } else zoom(node);
        };
        rect.addEventListener("click", go);
        rect.addEventListener("keydown", function (e) {
          if (e.key === "Enter" || e.key === " ") { e.preventDefault(); go(); }
        });
      }
      if (shown) {
        const text = shape("text", { x: x + 4, y: y + Math.min(height, 21) / 2 + 4 });
        text.textContent = shown;
        g.append(text);
      }
      svg.append(g);
    }

    function icicle(svg) {
      let deepest = 0;
      (function draw(node, x, width, depth) {
        if (depth >= ROWS || width < 1) return;
        deepest = Math.max(deepest, depth);
        const room = Math.floor(width / LETTER) - 1;
        block(svg, node, x, depth * ROW, width, ROW - 1, room > 2 ? label(node, room) : "");
        let at = x;
        for (const child of node[CHILDREN]) {
          const mine = width * child[SIZE] / node[SIZE];
          draw(child, at, mine, depth + 1);
          at += mine;
        }
      })(top(), 0, WIDTH, 0);
      return (deepest + 1) * ROW;
    }

    /* Rows of blocks as square as can be (Bruls, Huizing, van Wijk: squarified treemaps). */
    function squarify(nodes, all, x, y, width, height, place) {
      let rest = all, i = 0;
      while (i < nodes.length && width > 1 && height > 1) {
        const side = Math.min(width, height), area = width * height / rest;
        let sum = 0, worst = Infinity, n = i;
        for (; n < nodes.length; n++) {
          const more = sum + nodes[n][SIZE];
          const thick = more * area / side;
          const first = nodes[i][SIZE] * area / thick, last = nodes[n][SIZE] * area / thick;
          const ratio = Math.max(first / thick, thick / last);
          if (n > i && ratio > worst) break;
          worst = ratio;
          sum = more;
        }
        const thick = sum * area / side;
        let at = 0;
        for (; i < n; i++) {
          const length = nodes[i][SIZE] * area / thick;
          if (width < height) place(nodes[i], x + at, y, length, thick);
          else place(nodes[i], x, y + at, thick, length);
          at += length;
        }
        rest -= sum;
        if (width < height) { y += thick; height -= thick; } else { x += thick; width -= thick; }
      }
    }

    function treemap(svg) {
      const height = 560;
      (function draw(node, x, y, w, h, depth) {
        if (w < 2 || h < 2) return;
        const room = Math.floor(w / LETTER) - 1;
        block(svg, node, x, y, w, h, room > 2 && h > 14 ? label(node, room) : "");
        if (depth >= 6 || w < 24 || h < 36) return;
        squarify(node[CHILDREN], node[SIZE], x + 2, y + 20, w - 4, h - 22,
          function (child, cx, cy, cw, ch) { draw(child, cx, cy, cw, ch, depth + 1); });
      })(top(), 0, 0, WIDTH, height, 0);
      return height;
    }

    function draw() {
      const svg = shape("svg", { class: state.look, role: "img" });
      const height = state.look === "icicle" ? icicle(svg) : treemap(svg);
      svg.setAttribute("viewBox", "0 0 " + WIDTH + " " + height);
      chart.replaceChildren(svg);
      crumbs.textContent = "";
      state.path.forEach(function (node, i) {
        if (i) crumbs.append(" \u203a ");
        const step = make("button", cut(i ? node[STEP] || node[NAME] : node[NAME], 48), { type: "button" });
        step.addEventListener("click", function () { state.path.length = i + 1; draw(); });
        crumbs.append(step);
      });
      note.textContent = READING[state.tree][state.look];
      for (const b of buttons) b.button.setAttribute("aria-pressed", state[b.key] === b.value);
      tell(top());
    }

    function choice(text, key, value) {
      const button = make("button", text, { type: "button" });
      button.addEventListener("click", function () {
        state[key] = value;
        if (key === "tree") state.path = [trees[value]];
        draw();
      });
      buttons.push({ button: button, key: key, value: value });
      tools.append(button);
    }

    choice("By holder", "tree", "holder");
    choice("By type", "tree", "type");
    choice("Icicle", "look", "icicle");
    choice("Treemap", "look", "treemap");
    const find = make("input", undefined, { type: "search", placeholder: "Find in the map",
      "aria-label": "Find in the map" });
    find.addEventListener("input", function () { state.find = find.value.toLowerCase(); draw(); });
    tools.append(find);
    section.addEventListener("keydown", function (e) {
      if (e.key === "Escape" && state.path.length > 1) { state.path.pop(); draw(); }
    });
    chart.before(tools, crumbs);
    chart.after(about);
    draw();
  }

  /* ---- tables ---- */

  function value(row, column) {
    const cell = row.cells[column];
    return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
  }

  function makeTable(sheet) {
    const table = sheet.querySelector("table"), body = table.tBodies[0];
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      const button = make("button", head.textContent, { type: "button" });
      head.replaceChildren(button);
      button.addEventListener("click", function () {
        const number = head.classList.contains("n");
        const was = head.getAttribute("aria-sort");
        const up = was ? was === "descending" : !number;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = Array.from(body.rows).sort(function (a, b) {
          const x = value(a, column), y = value(b, column);
          const order = number ? x - y : x < y ? -1 : x > y ? 1 : 0;
          return up ? order : -order;
        });
        body.append(...rows);
      });
    });
    if (body.rows.length < 8) return;
    const tools = make("div", undefined, { class: "tools" });
    const find = make("input", undefined, { type: "search", placeholder: "Filter", "aria-label": "Filter" });
    const left = make("span", "", { class: "note", "aria-live": "polite" });
    find.addEventListener("input", function () {
      const wanted = find.value.toLowerCase();
      let shown = 0;
      for (const row of body.rows) {
        const fits = row.textContent.toLowerCase().includes(wanted);
        row.classList.toggle("hidden", !fits);
        shown += fits;
      }
      left.textContent = wanted ? shown + " of " + body.rows.length + " rows" : "";
    });
    tools.append(find, left);
    sheet.querySelector(".scroll").before(tools);
  }

  /* ---- the page ---- */

  function makeTheme() {
    const root = document.documentElement;
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const button = make("button", "Light / dark", { type: "button" });
    button.addEventListener("click", function () {
      const now = root.dataset.theme || (dark ? "dark" : "light");
      root.dataset.theme = now === "dark" ? "light" : "dark";
    });
    document.querySelector("header").append(button);
  }

  function makeProcesses() {
    const parts = Array.from(document.querySelectorAll("section.process"));
    if (parts.length < 2) return;
    const select = make("select", undefined, { "aria-label": "Process" });
    select.append(make("option", "All processes", { value: "" }));
    for (const part of parts) select.append(make("option", part.dataset.title, { value: part.id }));
    function show(id) {
      select.value = id;
      for (const part of parts) part.classList.toggle("hidden", id !== "" && part.id !== id);
    }
    select.addEventListener("change", function () { show(select.value); });
    document.querySelector("nav").prepend(select);
    document.querySelectorAll("nav a").forEach(function (link) {
      link.addEventListener("click", function () { show(link.hash.slice(1)); });
    });
    show(parts[0].id);
  }

  function openCard() {
    const card = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (card && card.tagName === "DETAILS") { card.open = true; card.scrollIntoView(); }
  }

  makeTheme();
  makeProcesses();
  document.querySelectorAll("section.map").forEach(makeMap);
  document.querySelectorAll("section.sheet").forEach(makeTable);
  addEventListener("hashchange", openCard);
  openCard();
})();
