// Names and definitions of windows: what there is, what is chosen, and what is said of a name that is not there.

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
    this.set = new Set();
    this.entries = new Map();
  }

  /** The crosses first, then symbols; those of the definition before any row of theirs is there. */
  all() {
    const { catalogue } = this.page;
    if (!catalogue || this.of === catalogue) return this.known;
    this.of = catalogue;
    const { definition, names } = catalogue;
    const of = (kind) => names.filter((entry) => entry.kind === kind).map((entry) => entry.name);
    const crosses = [...new Set([...(definition?.crosses ?? []).map((cross) => cross.name), ...of("cross")])].sort();
    const those = new Set(crosses);
    const symbols = [...new Set([...(definition?.symbols ?? []), ...of("symbol")])].filter((name) => !those.has(name)).sort();
    this.known = { crosses, symbols };
    this.set = new Set([...crosses, ...symbols]);
    this.entries = new Map(names.map((entry) => [`${entry.kind} ${entry.name} ${entry.window}`, entry]));
    return this.known;
  }

  isKnown(name) {
    this.all();
    return this.set.has(name);
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
    const groups = [["Crosses", crosses], ["Symbols", symbols]].filter(([, list]) => list.length > 0);
    if (groups.length === 0) return false;
    page.name ??= crosses.includes("XVGUSDT") ? "XVGUSDT" : crosses[0] ?? symbols[0];
    const select = element("name");
    const wanted = groups.flatMap(([, list]) => list).join(" ");
    if (this.filled !== wanted) {
      this.filled = wanted;
      const group = ([label, list]) => {
        const of = Object.assign(document.createElement("optgroup"), { label });
        of.append(...list.map((name) => new Option(name, name)));
        return of;
      };
      select.replaceChildren(...groups.map(group));
      element("known-names").replaceChildren(...[...crosses, ...symbols].map((name) => new Option("", name)));
    }
    select.disabled = false;
    select.value = page.name;
    this.windows();
    return true;
  }

  /** The definitions of windows: the job's in their order, and what else there are rows of. */
  windows() {
    const { page } = this;
    const { definition, names } = page.catalogue;
    const there = names.filter((entry) => page.all || entry.name === page.name).map((entry) => entry.window);
    const windows = [...new Set([...(definition?.windows ?? []), ...there])];
    if (!windows.includes(page.window)) page.window = windows[0] ?? "";
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
    const isAbsent = page.name !== null && !this.isKnown(page.name) && !page.all;
    document.body.classList.toggle("is-absent", isAbsent);
    const host = element("absent");
    host.hidden = !isAbsent;
    if (!isAbsent) return;
    const { crosses, symbols } = this.all();
    const typed = page.name.toUpperCase();
    const near = [...crosses, ...symbols].map((name) => [distance(typed, name.toUpperCase()), name]).filter(([far, name]) => far <= 2 || name.toUpperCase().includes(typed));
    const links = near.sort(([a], [b]) => a - b).slice(0, 5).map(([, name]) => Object.assign(document.createElement("a"), { href: page.addressOf(name), textContent: name }));
    element("absent-name").textContent = page.name;
    element("absent-near").replaceChildren(...(links.length > 0 ? ["Did you mean ", ...links.flatMap((link, place) => (place === 0 ? [link] : [", ", link])), "? "] : []));
  }
}
