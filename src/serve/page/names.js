// Names and definitions of windows: what there is, what is chosen, and what is said of a name that is not there.

import { refer } from "./address.js";

const element = (id) => document.getElementById(id);

/** How many letters must change to make one text of another, as far as three. */
export const distance = (a, b) => {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let before = [...Array(b.length + 1).keys()];
  for (let at = 1; at <= a.length; at += 1) {
    const now = [at];
    for (let to = 1; to <= b.length; to += 1) now.push(Math.min(before[to] + 1, now[to - 1] + 1, before[to - 1] + (a[at - 1] === b[to - 1] ? 0 : 1)));
    before = now;
  }
  return before[b.length];
};

export class Names {
  constructor(page) {
    this.page = page;
    this.known = { crosses: [], symbols: [] };
    this.crosses = new Set();
    this.symbols = new Set();
    this.entries = new Map();
  }

  /** The crosses first, then symbols; those of the definition before any row of theirs is there. */
  all() {
    const { catalogue } = this.page;
    if (!catalogue || this.of === catalogue) return this.known;
    this.of = catalogue;
    const { definition, names } = catalogue;
    const of = (kind) => names.filter((entry) => entry.kind === kind).map((entry) => entry.name);
    this.crosses = new Set([...(definition?.crosses ?? []).map((cross) => cross.name), ...of("cross")].sort());
    this.symbols = new Set([...(definition?.symbols ?? []), ...of("symbol")].sort());
    this.known = { crosses: [...this.crosses], symbols: [...this.symbols] };
    this.entries = new Map(names.map((entry) => [`${entry.kind} ${entry.name} ${entry.window}`, entry]));
    return this.known;
  }

  /** The kind that is meant: a cross before a symbol where it is not told. */
  kindOf({ kind, name }) {
    this.all();
    return kind ?? (this.crosses.has(name) ? "cross" : "symbol");
  }

  isKnown(ref) {
    const kind = this.kindOf(ref);
    return (kind === "cross" ? this.crosses : this.symbols).has(ref.name);
  }

  /** What to ask for, that it means this one. */
  ref(kind, name) {
    this.all();
    return { kind: kind === "symbol" && this.crosses.has(name) ? kind : null, name };
  }

  /** As people are told it: a pair that has the name of a cross says that it is one. */
  told(ref) {
    return this.kindOf(ref) === "symbol" && this.crosses.has(ref.name) ? `${ref.name} pair` : ref.name;
  }

  /** Everything that can be asked for, the crosses first. */
  refs() {
    const { crosses, symbols } = this.all();
    return [...crosses.map((name) => this.ref("cross", name)), ...symbols.map((name) => this.ref("symbol", name))];
  }

  /** What somebody means who types that; null of what is not there. */
  meant(text) {
    const plain = { kind: null, name: text };
    return this.isKnown(plain) ? plain : this.refs().find((ref) => this.told(ref) === text) ?? null;
  }

  /** What the catalogue says of the rows of a name. */
  entry(kind, name) {
    this.all();
    return this.entries.get(`${kind} ${name} ${this.page.window}`);
  }

  /** The legs of the cross that is chosen: those of its newest row, else as defined. */
  legs() {
    const { page } = this;
    const defined = page.catalogue?.definition?.crosses.find((cross) => cross.name === page.name);
    const legs = page.store.rows("cross", page.name).at(-1)?.legs ?? defined?.legs ?? [];
    return [...new Map(legs.map(({ symbol, inverse }) => [symbol, { symbol, inverse }])).values()];
  }

  /** Fills the choices, and chooses where nothing is; whether there are names at all. */
  fill() {
    const { page } = this;
    const { crosses, symbols } = this.all();
    const refs = this.refs();
    if (refs.length === 0) return false;
    page.name ??= crosses.includes("XVGUSDT") ? "XVGUSDT" : crosses[0] ?? symbols[0];
    const select = element("name");
    const wanted = refs.map(refer).join(" ");
    if (this.filled !== wanted) {
      this.filled = wanted;
      const group = ([label, list]) => {
        const of = Object.assign(document.createElement("optgroup"), { label });
        of.append(...list.map((ref) => new Option(this.told(ref), refer(ref))));
        return of;
      };
      const groups = [["Crosses", refs.slice(0, crosses.length)], ["Symbols", refs.slice(crosses.length)]];
      select.replaceChildren(...groups.filter(([, list]) => list.length > 0).map(group));
      element("known-names").replaceChildren(...refs.map((ref) => new Option("", this.told(ref))));
    }
    select.disabled = false;
    select.value = refer(this.ref(this.kindOf(page), page.name));
    this.alone();
    this.windows();
    return true;
  }

  /** Leaves out of the names to compare what is there already. */
  alone() {
    const { page } = this;
    const key = (ref) => `${this.kindOf(ref)} ${ref.name}`;
    const others = new Map(page.others.map((ref) => [key(ref), ref]));
    others.delete(key(page));
    if (others.size < page.others.length) page.others = [...others.values()];
  }

  /** The definitions of windows: the job's in their order, and what else there are rows of. */
  windows() {
    const { page } = this;
    const { definition, names } = page.catalogue;
    const there = names.filter((entry) => page.all || entry.name === page.name).map((entry) => entry.window);
    const windows = [...new Set([...(definition?.windows ?? []), ...there])];
    // What the address wishes may come later.
    if (windows.includes(page.wishes.window)) page.window = page.wishes.window;
    else if (!windows.includes(page.window)) page.window = windows[0] ?? "";
    const select = element("window");
    const wanted = windows.join(" ");
    if (select.dataset.windows !== wanted) {
      select.replaceChildren(...windows.map((window) => new Option(window || "not named", window)));
      select.dataset.windows = wanted;
    }
    select.value = page.window;
    element("windows-pick").hidden = windows.length < 2;
  }

  /** Says that a name is not there, with those that may be meant. */
  absent() {
    const { page } = this;
    const isAbsent = page.name !== null && !this.isKnown(page) && !page.all;
    document.body.classList.toggle("is-absent", isAbsent);
    const host = element("absent");
    host.hidden = !isAbsent;
    if (!isAbsent) return;
    const typed = page.name.toUpperCase();
    const near = this.refs().map((ref) => [distance(typed, ref.name.toUpperCase()), ref]).filter(([far, { name }]) => far <= 2 || name.toUpperCase().includes(typed));
    const links = near.sort(([a], [b]) => a - b).slice(0, 5).map(([, ref]) => Object.assign(document.createElement("a"), { href: page.addressOf(ref), textContent: this.told(ref) }));
    element("absent-name").textContent = page.kind ? `${page.kind} ${page.name}` : page.name;
    element("absent-near").replaceChildren(...(links.length > 0 ? ["Did you mean ", ...links.flatMap((link, place) => (place === 0 ? [link] : [", ", link])), "? "] : []));
  }
}
