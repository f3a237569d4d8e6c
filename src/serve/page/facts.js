// What stands beside the charts: the latest rates, statistics, partitions, what happened, and the windows as a table.

import { describe } from "./charts.js";
import { Notes } from "./notes.js";
import { divides, path, stage } from "./store.js";
import { brief, clock, counted, dated, day, dayOf, deviation, duration, exact, grouped, instant, moment, whole } from "./text.js";

const element = (id) => document.getElementById(id);
const ROWS = 20;
/** Refusals that are told one by one. */
const REFUSALS = 60;
/** Kinds of rows that charts, tables and tiles show in their own way. */
const PLACED = ["cross", "symbol", "stats", "basis"];
const make = (tag, content, attributes = {}) => {
  const made = document.createElement(tag);
  if (content !== undefined) made.append(...[content].flat());
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};

const COLUMNS = {
  cross: [["window", ""], ["rate", "num"], ["std", "num wide"], ["trades", "num wide"], ["legs", "num widest"], ["state", ""]],
  symbol: [["window", ""], ["vwap", "num"], ["std", "num wide"], ["trades", "num wide"], ["volume", "num widest"], ["state", ""]],
};

/** How many letters of all names are the folder that they share: what tells files apart is behind it. */
export const shared = (names) => {
  const [first = ""] = names;
  let cut = first.lastIndexOf("/") + 1;
  while (cut > 0 && !names.every((name) => name.startsWith(first.slice(0, cut)))) cut = first.lastIndexOf("/", cut - 2) + 1;
  return cut;
};

export class Facts {
  constructor(page) {
    Object.assign(this, { page, notes: new Notes(), offset: null, said: new Set() });
    setInterval(() => this.progress(), 500);
  }

  set() {
    const { page } = this;
    const defined = page.catalogue.definition?.crosses.find((cross) => cross.name === page.name);
    element("title").textContent = [page, ...page.others].map(page.told).join(", ");
    this.lines = null;
    this.title();
    const window = page.window ? `, windows ${page.window} (${page.shape.words})` : "";
    const product = page.others.length > 0 ? "compared" : page.cross ? path(page.store.rows("cross", page.name).at(-1)?.legs ?? defined?.legs ?? []) || "cross rate" : "symbol";
    element("product").textContent = `${product}${window}`;
    element("columns").replaceChildren(...COLUMNS[this.kind()].map(([name, kind]) => make("th", name, { scope: "col", class: kind })));
    element("more").href = `/v1/windows?kind=${this.kind()}&name=${encodeURIComponent(page.name)}&window=${encodeURIComponent(page.window)}`;
    this.table();
  }

  /** Everything once more: times are shown otherwise. */
  again() {
    this.lines = null;
    if (this.page.catalogue) {
      this.held();
      this.table();
    }
    this.write();
  }

  /** The rate stands in the tab's title, which is seen when the page is not. */
  title() {
    const { page } = this;
    const row = page.store.rows(this.kind(), page.name).findLast((known) => known.vwap !== null);
    const title = page.all ? "All names · Crossrate" : `${row ? `${brief(row.vwap)} ` : ""}${page.name === null ? "" : page.told(page)} · Crossrate`;
    if (document.title !== title) document.title = title;
  }

  /** Says when rows are kept for less long than is asked for. */
  held() {
    const { catalogue } = this.page;
    const from = catalogue.held_from_ms;
    const last = catalogue.names.reduce((most, entry) => Math.max(most, entry.last_end_ms), 0);
    const wanted = catalogue.history_ms === null ? "all of it" : `${duration(catalogue.history_ms)} (--history)`;
    element("held").hidden = from === null || from === undefined;
    element("held").textContent = from
      ? `Rows reach back to ${instant(from)} (${duration(last - from)}), of all names alike: ${grouped(catalogue.most_rows)} rows are the most that are kept, too few for ${wanted}.`
      : "";
  }

  /** Records that were refused before this page was opened. */
  refused({ before, refusals }) {
    const words = { late: "refused", bad: "refused", future: "refused", duplicate: "came again, counted once" };
    const told = [];
    for (const what of Object.keys(words)) {
      if (before[what] > 0) told.push({ what, sort: "before", at: 0, text: () => `${counted(before[what], "record")} ${words[what]} before the server could tell when` });
      for (const refusal of refusals.filter((refusal) => refusal[what] > 0).slice(-REFUSALS)) {
        const at = () => (refusal.frontier_ms > 0 ? `, the frontier at ${instant(refusal.frontier_ms)}` : "");
        told.push({ what, sort: "refused", at: refusal.frontier_ms, text: () => `${refusal.partition}: ${counted(refusal[what], "record")} ${words[what]}${at()}` });
      }
    }
    // Those that this page was told as they came are among them.
    this.notes.replace(["before", "refused"], told);
    this.write();
  }

  kind() {
    return this.page.cross ? "cross" : "symbol";
  }

  take({ rows, progress, anew, begins }) {
    if (anew) this.said.clear();
    // What is to be said of rows comes with them again.
    if (begins) {
      this.notes.replace(["rows"], []);
      this.write();
    }
    for (const { row, before } of rows ?? []) this.remark(row, before);
    if (progress) this.remarkProgress(progress);
    if (rows) this.soon();
    if (progress) this.progress();
  }

  soon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.table();
    });
  }

  /** How this page stands with the server. */
  stands(state, wait) {
    const pill = element("pill");
    const ended = state === "live" && ["ended", "stopped"].includes(this.page.store.progress?.state);
    const shown = ended ? "ended" : state;
    if (pill.dataset.state === shown && shown !== "away") return;
    if (shown === "away" && pill.dataset.state !== "away") this.note("away", "the server does not answer; what is shown stays");
    if (shown === "live" && pill.dataset.state === "away") this.note("back", "the server answers again");
    pill.dataset.state = shown;
    document.body.classList.toggle("away", shown === "away");
    element("pill-text").textContent = {
      connecting: "connecting",
      live: "live",
      ended: "input ended",
      away: `server away, trying again${wait >= 1_000 ? ` in ${Math.round(wait / 1_000)} s` : ""}`,
    }[shown];
  }

  table() {
    const { store, name } = this.page;
    const rows = this.page.seen(this.kind(), name).slice(-ROWS).reverse();
    const body = element("rows");
    // A row that has not changed keeps its line, and whatever is selected in it.
    const before = this.lines ?? new Map();
    this.lines = new Map(rows.map((row) => [row, before.get(row) ?? this.line(row)]));
    const lines = [...this.lines.values()];
    // On a narrow screen the day stands where it begins.
    let of = null;
    for (const [row, line] of this.lines) {
      const its = day(row.start_ms || row.end_ms);
      line.classList.toggle("same-day", its === of);
      of = its;
    }
    this.title();
    if (lines.length !== body.children.length || lines.some((line, place) => line !== body.children[place])) body.replaceChildren(...lines);
    const final = store.rows(this.kind(), name).findLast((row) => stage(row) === "final");
    const open = store.rows(this.kind(), name).findLast((row) => stage(row) !== "final");
    element("final-rate").replaceChildren(final ? exact(final.vwap) : "–");
    element("final-about").textContent = final ? `${whole(final)}, ${final.vw_std === null ? (divides(final) ? "no ± where a leg divides, " : "") : `± ${deviation(final.vw_std)}, `}${counted(final.trades, "trade")}` : "";
    element("open-rate").replaceChildren(open ? exact(open.vwap) : "–");
    element("open-about").textContent = open ? `${whole(open)}, ${describe(open)}` : "none";
    const stats = store.rows("stats", name).at(-1);
    element("stat-n").textContent = stats ? grouped(stats.n) : "–";
    element("stat-mean").replaceChildren(stats ? exact(stats.mean) : "–");
    element("stat-std").textContent = deviation(stats?.std);
    element("stat-std").title = stats?.std ?? "";
    element("others").replaceChildren(...this.others());
  }

  /** The newest row of every kind that has no place of its own here: its fields, as they are. */
  others() {
    const { store, name } = this.page;
    const kinds = store.kinds(name).filter((kind) => !PLACED.includes(kind)).sort();
    return kinds.map((kind) => {
      const { kind: _, name: __, window: ___, start_ms, end_ms, ...fields } = store.rows(kind, name).at(-1);
      const shown = (value) => (/^-?[0-9]/.test(value) ? exact(value) : String(value ?? "–"));
      const facts = Object.entries(fields).map(([field, value]) => make("div", [make("dt", field.replaceAll("_", " ")), make("dd", shown(value))]));
      return make("dl", facts, { class: "tiles", "data-kind": kind, "aria-label": `${kind}, ${whole({ start_ms, end_ms })}` });
    });
  }

  line(row) {
    const legs = row.kind === "cross"
      ? row.legs.map((leg) => make("span", [`${leg.symbol} `, exact(leg.vwap)], { class: "leg" }))
      : [exact(row.volume, 6)];
    const cells = [
      make("th", dated(row), { scope: "row" }),
      make("td", exact(row.vwap), { class: "num" }),
      make("td", deviation(row.vw_std), { class: "num wide", title: row.vw_std ?? (divides(row) ? "none: a leg divides" : "") }),
      make("td", grouped(row.trades), { class: "num wide" }),
      make("td", legs, { class: "num widest" }),
      make("td", make("span", describe(row), { class: "state" }), { class: "how" }),
    ];
    const line = make("tr", cells, { "data-stage": stage(row), "data-start": row.start_ms, "data-end": row.end_ms });
    if (row.revision > 0) line.dataset.corrected = "true";
    return line;
  }

  progress() {
    const { progress } = this.page.store;
    if (!progress) return;
    const frontier = progress.frontier_ms;
    element("frontier").replaceChildren(...(frontier
      ? [make("span", `${day(frontier)} `, { class: "day" }), clock(frontier, true)]
      : [progress.state === "ended" ? "the end" : "–"]));
    if (element("pill").dataset.state === "live" || element("pill").dataset.state === "ended") this.stands("live");
    // The server's clock may differ from this one's.
    const now = Date.now() - (this.offset ?? 0);
    const { holder } = progress;
    const since = holder ? now - holder.since_ms : 0;
    const held = !holder ? "nobody holds the frontier back"
      : since < 1_000 ? `the frontier moves; just now it waits for ${holder.name}`
        : `${holder.name} holds the frontier since ${duration(since)}, ${duration(holder.behind_ms)} of event time behind`;
    element("holder").textContent = progress.state === "ended" ? "all partitions have ended" : held;
    const folder = shared(progress.partitions.map(({ name }) => name));
    element("partitions").replaceChildren(...progress.partitions.map((partition) => this.partition(partition, folder)));
    if (progress.known_from === "rows") {
      element("holder").textContent = "only rows are known here: the frontier has come so far at least, and nothing is known of partitions";
    }
    this.remarkFollowing(progress.following);
    if (!progress.records) {
      element("records").textContent = "";
      return;
    }
    const { read, ...classes } = progress.records;
    element("records").textContent = `${grouped(read)} read = ${Object.entries(classes).filter(([, count]) => count > 0).map(([name, count]) => `${grouped(count)} ${name}`).join(" + ") || 0}`;
  }

  /** How the server stands with the place that it reads results from. */
  remarkFollowing(following) {
    if (!following) return;
    const before = this.following;
    this.following = following.state;
    if (following.state === "away") {
      element("holder").textContent = `${following.place} is away since ${instant(following.since_ms)}: what is shown is as it was`;
    }
    if (following.state === "away" && before !== "away") this.note("away", `${following.place} is away: ${following.reason}`);
    if (following.state !== "away" && before === "away") this.note("back", `${following.place} answers again`);
  }

  partition(partition, folder) {
    const state = partition.ended ? "ended" : partition.idle ? "idle" : partition.holds ? "holds" : "";
    const { late, bad, future } = partition.records;
    return make("tr", [
      make("th", partition.name.slice(folder), { scope: "row", title: partition.name }),
      make("td", partition.watermark_ms ? clock(partition.watermark_ms, true).slice(0, -2) : "–"),
      make("td", [partition.ended ? "" : duration(partition.behind_ms), state ? make("span", state, { class: "tag" }) : ""]),
      make("td", grouped(partition.records.read), { class: "num" }),
      make("td", grouped(late + bad + future), { class: "num", title: `${late} late, ${bad} bad, ${future} future` }),
    ], { "data-state": state });
  }

  remark(row, before) {
    if (row.revision === undefined) return;
    const { shape } = this.page;
    const follows = (row, { end_ms }) => (shape.overlaps ? row.end_ms > end_ms && row.end_ms - end_ms <= shape.step * 1.01 : row.start_ms === end_ms);
    const name = this.page.told(row);
    /** Of windows in a row that differ in a number only, the numbers are added. */
    const say = (what, words, number = 0) => {
      const key = `${what} ${row.kind} ${row.name} ${row.end_ms} ${row.revision}`;
      const told = typeof words === "function" ? words : () => words;
      if (!this.said.has(key)) this.notes.window({ what, row, number, about: told(0), follows }, (note) => `${name} ${times(note)}: ${told(note.number)}`);
      this.said.add(key);
      this.write();
    };
    if (row.closed && row.revision > 0) {
      const more = before ? row.trades - before.trades : 0;
      if (more > 0) say("corrected", (trades) => `${counted(trades, "more trade")} came within the grace`, more);
      else say("corrected", "corrected within the grace");
    }
    if (stage(row) !== "final") return;
    if (row.status === "leg_missing") say("no rate", `${row.legs.filter((leg) => leg.vwap === null).map((leg) => leg.symbol).join(", ")} did not trade`);
    if (row.status === "carried") say("carried", `${row.legs.filter((leg) => leg.age_ms > 0).map((leg) => leg.symbol).join(", ")} of an earlier window`);
    if (row.kind === "symbol" && row.missing_ids > 0) say("gap", (ids) => `${counted(ids, "trade id")} never came`, row.missing_ids);
    if (row.kind === "symbol" && row.missing_ids < 0) say("surplus", (trades) => `${counted(trades, "trade")} more than its ids allow`, -row.missing_ids);
  }

  remarkProgress({ before, now }) {
    this.offset = now.told_ms ? Math.min(this.offset ?? Infinity, Date.now() - now.told_ms) : this.offset;
    for (const partition of now.partitions) {
      const past = before?.partitions.find((other) => other.partition === partition.partition);
      for (const what of ["late", "bad", "future", "duplicate"]) {
        const more = partition.records[what] - (past?.records[what] ?? partition.records[what]);
        if (more > 0) this.note(what, `${partition.name}: ${counted(more, "record")} ${what === "duplicate" ? "came again, counted once" : "refused"}`, "refused", now.frontier_ms);
      }
      if (past && !past.idle && partition.idle) this.note("idle", `${partition.name} is idle and holds nobody back`);
      if (past && !past.ended && partition.ended) this.note("ended", `${partition.name} has ended`);
    }
  }

  /** A note's text is told anew whenever it is written: its times are those of the clocks that are shown. */
  note(what, text, sort = "page", at = null) {
    // What happens now stands first, whatever time the rows are of.
    this.notes.add({ what, sort, at: at ?? Math.max(this.notes.newest(), this.page.store.progress?.frontier_ms ?? 0), text: () => text });
    this.write();
  }

  write() {
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null;
      if (this.notes.list.length === 0) element("notes").replaceChildren(make("li", "nothing worth a note yet", { class: "quiet" }));
      else element("notes").replaceChildren(...this.notes.list.map((note) => make("li", [make("b", note.what), make("span", note.text(note))], { "data-what": note.what })));
    });
  }
}

/** The times of the windows of a note: of one its start, of more from the first to the last. */
const times = ({ first, last, windows }) => {
  if (windows === 1) return `${dayOf(first)} ${moment(first)}`;
  const [from, until] = [first.start_ms || first.end_ms, last.end_ms];
  return `${instant(from)} to ${day(from) === day(until) ? clock(until) : instant(until)}, ${counted(windows, "window")}`;
};
