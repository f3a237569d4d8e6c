// All names as a table: thousands of them, drawn only where they are seen.

import { divides, path, stage } from "./store.js";
import { number } from "./painters.js";
import { counted, deviation, duration, exact, instant, percent, zone } from "./text.js";

const element = (id) => document.getElementById(id);
const ROW = 34;
const SPARE = 8;
const OFTEN = 400;
const COLUMNS = ["name", "rate", "change", "deviation", "age", "missing", "legs"];
const KEEP = "crossrate-stars";

const stars = () => {
  try {
    return new Set(JSON.parse(localStorage.getItem(KEEP) ?? "[]"));
  } catch {
    return new Set();
  }
};

const make = (tag, content, attributes = {}) => {
  const made = document.createElement(tag);
  if (content !== undefined) made.append(...[content].flat());
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};

export class Overview {
  /** `open(ref)` goes to the chart of a name, `wished(wish)` changes what the address says. */
  constructor(page, ask, { open, wished }) {
    Object.assign(this, { page, ask, open, wished, entries: new Map(), shown: [], lines: new Map(), stars: stars(), newest: 0, active: 0 });
    this.scroll = element("all-scroll");
    this.body = element("all-rows");
    this.scroll.addEventListener("scroll", () => this.paint());
    new ResizeObserver(() => this.paint()).observe(this.scroll);
    element("all-search").addEventListener("input", (event) => {
      this.wished({ query: event.target.value.trim() });
      this.scroll.scrollTop = 0;
      this.active = 0;
      this.arrange();
    });
    element("all-over").addEventListener("change", (event) => {
      this.wished({ over: Number(event.target.value) });
      this.compare();
    });
    element("all-head").addEventListener("click", (event) => {
      const column = event.target.closest("button")?.dataset.column;
      if (column) this.sortBy(column);
    });
    this.body.addEventListener("click", (event) => this.clicked(event));
    this.scroll.addEventListener("keydown", (event) => this.pressed(event));
    addEventListener("storage", (event) => {
      if (event.key !== KEEP) return;
      this.stars = stars();
      this.arrange();
    });
    setInterval(() => this.page.all && this.compare(), 60_000);
  }

  /** Comes into sight. */
  show() {
    element("all-search").value = this.page.query;
    element("all-over").value = String(this.page.over);
    this.arrange();
  }

  /** Begins anew, with the windows that are chosen. */
  begin() {
    Object.assign(this, { newest: 0, compared: false });
    this.entries.clear();
    this.lines.clear();
    this.known();
  }

  /** A message of the stream of all names. */
  take(message) {
    if (message.type === "progress") this.frontier = message.frontier_ms;
    else {
      // A job that begins anew tells less than before.
      if (message.type === "snapshot") for (const entry of this.entries.values()) entry.row = null;
      message.rows.forEach((row) => this.put(row));
    }
    this.soon();
    if (message.id && !this.compared) this.compare();
  }

  /** Names that have no row yet. */
  known() {
    const { crosses, symbols } = this.page.names();
    for (const [kind, names] of [["cross", crosses], ["symbol", symbols]]) {
      for (const name of names) this.entry(kind, name);
    }
    this.soon();
  }

  entry(kind, name) {
    const key = `${kind} ${name}`;
    let entry = this.entries.get(key);
    if (!entry) this.entries.set(key, (entry = { key, kind, name, row: null, before: null, text: `${name} ${kind === "symbol" ? "pair" : ""}`.toLowerCase() }));
    return entry;
  }

  /** How an entry is known among the stars: a name alone means what it means in an address. */
  starred(entry) {
    const { kind, name } = this.page.refOf(entry.kind, entry.name);
    return kind ? `${kind}:${name}` : name;
  }

  isStar(entry) {
    return this.stars.has(this.starred(entry));
  }

  put(row) {
    const entry = this.entry(row.kind, row.name);
    // The name is known by its definition before it has rows, and told of one kind only.
    if (entry.row && entry.row.end_ms > row.end_ms) return;
    entry.row = row;
    entry.path = row.kind === "cross" ? path(row.legs) : "traded pair";
    entry.text = `${row.name} ${entry.path} ${(row.legs ?? []).map((leg) => leg.symbol).join(" ")}`.toLowerCase();
    this.newest = Math.max(this.newest, row.end_ms);
  }

  /** From when on rows are kept, of the windows that are shown. */
  held() {
    const { catalogue, window } = this.page;
    const begun = catalogue.names.filter((entry) => entry.window === window).map((entry) => entry.first_start_ms);
    const floor = catalogue.history_ms === null ? 0 : this.newest - catalogue.history_ms;
    // A name that no longer trades keeps its newest row, however old it is.
    return Math.max(floor, catalogue.held_from_ms ?? 0, begun.length > 0 ? begun.reduce((least, start) => Math.min(least, start)) : 0);
  }

  /** What the rates were, so that the change can be told: as of the moment, or the first one that is kept since. */
  async compare() {
    if (this.newest === 0) return;
    this.compared = true;
    const { over, window, shape } = this.page;
    const by = Number.isFinite(over) ? Math.max(this.newest - over, 0) : 0;
    const held = this.held();
    element("all-since").textContent = Number.isFinite(over) && held - by > shape.step ? `kept for ${duration(this.newest - held)} only: change since then` : "";
    const answer = await this.ask(`/v1/latest?kind=cross,symbol&window=${encodeURIComponent(window)}&ended_by=${by}&or_first=true`).catch(() => null);
    if (!answer || window !== this.page.window || over !== this.page.over) return;
    this.by = by;
    for (const entry of this.entries.values()) entry.before = null;
    for (const row of answer.rows) this.entry(row.kind, row.name).before = row;
    this.lines.clear();
    this.soon();
  }

  soon() {
    this.waiting ??= setTimeout(() => {
      this.waiting = null;
      if (this.page.all) this.arrange();
    }, this.shown.length === 0 ? 0 : OFTEN);
  }

  /** The share by which a rate is another one than it was; null where there is nothing to compare with. */
  change({ row, before }) {
    if (!row || !before || row.vwap === null || before.vwap === null) return null;
    // The only row that there is.
    if (before.end_ms === row.end_ms && before.end_ms > this.by) return null;
    return number(row.vwap) / number(before.vwap) - 1;
  }

  /** What a column of an entry says, as a number or a text to sort by. */
  value(entry, column) {
    const { name, row, path: of } = entry;
    if (column === "name") return name;
    if (!row) return null;
    const rate = row.vwap === null ? null : number(row.vwap);
    return {
      rate,
      change: this.change(entry),
      deviation: row.vw_std === null || !rate ? null : row.vw_std / Math.abs(rate),
      age: this.age(row),
      missing: (row.legs ?? []).filter((leg) => leg.vwap === null).length,
      legs: of,
    }[column];
  }

  /** How old a rate is in event time: its window's end, or a leg's that stands in. */
  age(row) {
    const carried = Math.max(0, ...(row.legs ?? []).map((leg) => leg.age_ms ?? 0));
    return Math.max(0, (this.frontier ?? this.newest) - row.end_ms) + carried;
  }

  /** The entries that are asked for, in their order. */
  arrange() {
    const { query, sort } = this.page;
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const [column, turn] = (sort ?? "name").startsWith("-") ? [sort.slice(1), -1] : [sort ?? "name", 1];
    const by = COLUMNS.includes(column) ? column : "name";
    const found = [...this.entries.values()].filter((entry) => words.every((word) => entry.text.includes(word)));
    const keyed = found.map((entry) => ({ entry, value: this.value(entry, by), star: this.isStar(entry) }));
    keyed.sort((a, b) => Number(b.star) - Number(a.star) || order(a.value, b.value, turn) || order(a.entry.name, b.entry.name, 1) || order(a.entry.kind, b.entry.kind, 1));
    this.shown = keyed.map(({ entry }) => entry);
    for (const cell of element("all-head").querySelectorAll("th[data-column]")) {
      cell.setAttribute("aria-sort", cell.dataset.column !== by ? "none" : turn > 0 ? "ascending" : "descending");
    }
    element("all-count").textContent = words.length > 0 ? `${counted(this.shown.length, "name")} of ${this.entries.size}` : counted(this.entries.size, "name");
    element("all-table").setAttribute("aria-rowcount", this.shown.length + 1);
    this.paint();
  }

  sortBy(column) {
    const { sort } = this.page;
    const first = column === "name" || column === "legs" ? column : `-${column}`;
    const other = first.startsWith("-") ? first.slice(1) : `-${first}`;
    this.wished({ sort: (sort ?? "name") === first ? other : first });
    this.scroll.scrollTop = 0;
    this.arrange();
  }

  /** The lines that are seen, and some more on each side. */
  paint() {
    const { scroll, shown, body } = this;
    const first = Math.max(0, Math.floor(scroll.scrollTop / ROW) - SPARE);
    const last = Math.min(shown.length, Math.ceil((scroll.scrollTop + scroll.clientHeight) / ROW) + SPARE);
    const spacer = (rows) => (rows > 0 ? [make("tr", make("td", [], { colspan: COLUMNS.length + 1 }), { "aria-hidden": "true", class: "spacer" })] : []);
    const [above, below] = [spacer(first), spacer(shown.length - last)];
    above.forEach((line) => (line.firstChild.style.height = `${first * ROW}px`));
    below.forEach((line) => (line.firstChild.style.height = `${(shown.length - last) * ROW}px`));
    const lines = new Map();
    const focused = document.activeElement?.closest?.("#all-rows tr")?.dataset.key;
    const seen = shown.slice(first, last).map((entry, place) => {
      const known = this.lines.get(entry.key);
      const version = `${entry.row?.end_ms} ${entry.row?.revision} ${entry.row?.vwap} ${entry.before?.vwap} ${this.isStar(entry)} ${this.starred(entry)} ${zone()}`;
      const line = known?.version === version ? known.line : this.line(entry, known?.line);
      lines.set(entry.key, { version, line });
      line.setAttribute("aria-rowindex", first + place + 2);
      if (entry.row) line.querySelector(".age").textContent = duration(this.age(entry.row));
      return line;
    });
    this.lines = lines;
    const wanted = [...above, ...seen, ...below];
    const same = wanted.length === body.children.length && seen.every((line, place) => body.children[place + above.length] === line);
    if (same && this.first === first && this.rest === shown.length - last) return;
    [this.first, this.rest] = [first, shown.length - last];
    body.replaceChildren(...wanted);
    if (focused) lines.get(focused)?.line.querySelector("a").focus({ preventScroll: true });
    element("all-none").hidden = shown.length > 0;
  }

  line(entry, into) {
    const { row, name, kind, before } = entry;
    const ref = this.page.refOf(kind, name);
    const isStar = this.isStar(entry);
    const star = make("button", isStar ? "★" : "☆", { type: "button", class: "star", "aria-pressed": isStar, "aria-label": `star ${this.page.told(ref)}` });
    const link = make("a", name, { href: this.page.addressOf(ref) });
    const pair = kind === "symbol" ? [make("span", " pair", { class: "quiet small" })] : [];
    // Beside a cross of that name the link itself says which it is.
    if (ref.kind) link.append(...pair.splice(0));
    const change = this.change(entry);
    const since = change === null ? {} : { title: `since ${instant(before.end_ms)}` };
    const missing = (row?.legs ?? []).filter((leg) => leg.vwap === null).map((leg) => leg.symbol);
    const cells = [
      make("td", star),
      make("th", make("div", [link, ...pair], { class: "who" }), { scope: "row" }),
      make("td", row ? exact(row.vwap) : make("span", "no row yet", { class: "quiet" }), { class: "num" }),
      make("td", percent(change ?? NaN), { ...since, class: "num", "data-turn": change > 0 ? "up" : change < 0 ? "down" : "" }),
      make("td", row && row.vw_std !== null ? deviation(row.vw_std) : row && divides(row) ? make("span", "a leg divides", { class: "quiet" }) : "–", { class: "num wide" }),
      make("td", row ? "" : "–", { class: "num age wide" }),
      make("td", missing.join(", ") || "–", { class: missing.length > 0 ? "missing widest" : "missing none widest" }),
      make("td", entry.path ?? "–", { class: "path widest" }),
    ];
    const line = into ?? make("tr", undefined, { "data-key": entry.key });
    line.replaceChildren(...cells);
    line.dataset.name = name;
    line.dataset.stage = row ? stage(row) : "";
    return line;
  }

  clicked(event) {
    const line = event.target.closest("tr[data-name]");
    if (!line) return;
    if (event.target.closest(".star")) {
      this.star(this.entries.get(line.dataset.key));
      this.lines.get(line.dataset.key)?.line.querySelector(".star")?.focus();
    } else if (!event.target.closest("a") && !getSelection()?.toString()) this.open(this.page.refOf(this.entries.get(line.dataset.key).kind, line.dataset.name));
  }

  star(entry) {
    const name = this.starred(entry);
    if (!this.stars.delete(name)) this.stars.add(name);
    try {
      localStorage.setItem(KEEP, JSON.stringify([...this.stars]));
    } catch {
      // A browser that keeps nothing forgets them with the page.
    }
    this.arrange();
  }

  /** Arrows go from line to line, also to those that are not drawn yet. */
  pressed(event) {
    if (!["ArrowDown", "ArrowUp", "Home", "End", "PageDown", "PageUp"].includes(event.key) || event.ctrlKey || event.metaKey) return;
    const key = document.activeElement?.closest?.("#all-rows tr")?.dataset.key;
    const at = this.shown.findIndex((entry) => entry.key === key);
    const pageful = Math.max(1, Math.floor(this.scroll.clientHeight / ROW) - 2);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: this.shown.length - 1, PageDown: at + pageful, PageUp: at - pageful }[event.key];
    const place = Math.min(Math.max(to, 0), this.shown.length - 1);
    if (place < 0) return;
    event.preventDefault();
    const top = place * ROW;
    const seen = this.scroll.clientHeight - 2 * ROW;
    if (top < this.scroll.scrollTop) this.scroll.scrollTop = top;
    else if (top > this.scroll.scrollTop + seen) this.scroll.scrollTop = top - seen;
    this.paint();
    this.lines.get(this.shown[place].key)?.line.querySelector("a").focus({ preventScroll: true });
  }
}

/** Nothing comes last, whichever way the others go. */
const order = (a, b, turn) => {
  if (a === b) return 0;
  if (a === null || a === undefined || Number.isNaN(a)) return 1;
  if (b === null || b === undefined || Number.isNaN(b)) return -1;
  return (a < b ? -1 : 1) * turn;
};
