// The panels over one time axis: the rate, its basis, and the candles of each leg; or several names as lines.
// Crosshair and legends. What moves the axis is in navigate.js.

import { Panel, palette } from "./chart.js";
import { comparePanel } from "./compare.js";
import * as painters from "./painters.js";
import { room } from "./scale.js";
import { divides, placeOf, stage } from "./store.js";
import { brief, counted, dated, dayOf, deviation, exact, grouped, moment, plain } from "./text.js";

const FLASH = 700;
const { number } = painters;

export class Charts {
  constructor(page, history, timeline) {
    Object.assign(this, { page, history, timeline, panels: [], hover: null, finals: new Map(), late: [], colours: palette(), drawn: () => {} });
    this.host = document.getElementById("charts");
    this.readout = document.getElementById("readout");
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.colours = palette();
      this.soon();
    });
    new ResizeObserver(() => {
      this.heights();
      this.soon();
    }).observe(this.host);
    addEventListener("resize", () => {
      this.heights();
      this.soon();
    });
  }

  /** Sets the panels up for the names that are chosen. */
  set() {
    const { page } = this;
    const wanted = JSON.stringify([page.series, page.window, page.others.length > 0 && page.percent]);
    if (wanted !== this.shown) {
      this.shown = wanted;
      this.hover = page.at;
      this.finals.clear();
      const host = document.getElementById("panels");
      host.replaceChildren();
      this.panels = page.others.length > 0 ? [comparePanel(this, host)] : this.own(host);
      if (this.panels.length > 0) this.panels.at(-1).axis = true;
      this.heights();
    }
    this.soon();
  }

  own(host) {
    const { page } = this;
    const has = (kind) => page.series.some(([of]) => of === kind);
    return [
      ...(page.cross ? [this.ratePanel(host)] : []),
      ...(has("basis") ? [this.basisPanel(host)] : []),
      ...page.legs.map((leg) => this.legPanel(host, leg)),
    ];
  }

  /** How tall each panel is: on a large screen there is more to see. */
  heights() {
    const phone = matchMedia("(max-width: 600px)").matches;
    const tall = Math.min(1.9, Math.max(1, innerHeight / 1_000));
    for (const panel of this.panels) panel.height = Math.round((phone ? panel.least : panel.most * tall));
  }

  figure(host, title, name) {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const heading = Object.assign(document.createElement("b"), { textContent: title });
    const legend = document.createElement("span");
    legend.className = "legend";
    caption.append(heading, legend);
    figure.append(caption);
    figure.dataset.name = name;
    host.append(figure);
    return { figure, legend };
  }

  panel(host, [kind, name], { title, least, most, domain, painter, unit }) {
    const { figure, legend } = this.figure(host, title, name);
    const rows = (view) => view.rows(kind, name);
    const panel = new Panel(figure, { height: most, unit, domain: (view) => domain(rows(view), view), painter: (pane) => painter(pane, rows(pane.view)) });
    return Object.assign(panel, { legend, kind, name, least, most });
  }

  ratePanel(host) {
    const { page } = this;
    return this.panel(host, ["cross", page.name], {
      title: page.name,
      least: 190,
      most: 250,
      domain: (rows) => room(rows.filter((row) => row.vwap !== null).flatMap((row) => (row.bucket
        ? [number(row.bucket.min), number(row.bucket.max)]
        : [number(row.vwap) + (row.vw_std ?? 0), number(row.vwap) - (row.vw_std ?? 0)]))),
      painter: (pane, rows) => {
        painters.rate(pane, rows, pane.view.rows("stats", page.name));
        painters.marks(pane, rows);
        painters.late(pane);
      },
    });
  }

  basisPanel(host) {
    const { page } = this;
    return this.panel(host, ["basis", page.name], {
      title: `${page.name} less its direct pair`,
      least: 110,
      most: 120,
      domain: (rows) => room([0, ...rows.flatMap((row) => (row.bucket ? [number(row.bucket.min), number(row.bucket.max)] : [number(row.basis)]))]),
      painter: painters.basis,
    });
  }

  legPanel(host, leg) {
    const { page } = this;
    return this.panel(host, ["symbol", leg.symbol], {
      title: `${page.told({ kind: "symbol", name: leg.symbol })}${leg.inverse ? " (divides)" : ""}`,
      least: page.cross ? 130 : 320,
      most: page.cross ? 150 : 360,
      domain: (rows) => {
        const range = room(rows.flatMap((row) => [number(row.high), number(row.low)]));
        // The volume stands below the prices.
        return range && [range[0] - (range[1] - range[0]) * 0.22, range[1]];
      },
      painter: (pane, rows) => {
        painters.readableCandles(pane, rows);
        painters.marks(pane, rows);
        if (!page.cross) painters.late(pane);
      },
    });
  }

  /** Where the frontier stood when late records were refused, of before this page was opened. */
  refused(refusals) {
    this.late = refusals.filter((refusal) => refusal.late > 0 && refusal.frontier_ms > 0).map((refusal) => refusal.frontier_ms);
    this.soon();
  }

  /** News: remembers what became final, to show it as it happens. */
  take({ rows, progress, anew }) {
    if (anew) this.hover ??= this.page.at;
    for (const { row, before } of rows ?? []) {
      if (before && stage(before) !== "final" && stage(row) === "final") this.finals.set(row, performance.now());
    }
    const [now, past] = [progress?.now, progress?.before];
    // Where only rows are known, nothing is known of records.
    if (now?.records && past?.records && now.records.late > past.records.late && now.frontier_ms) this.late.push(now.frontier_ms);
    this.soon();
  }

  soon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  view() {
    const { page, timeline } = this;
    const range = timeline.range();
    if (!range) return null;
    const { x0, x1, first, last } = range;
    const width = this.panels[0]?.canvas.clientWidth || this.host.clientWidth;
    const stretch = this.history.of({ x0, x1, last, width: width - 80, series: page.series });
    this.stretch = stretch;
    const shape = stretch.shape;
    const visible = new Map();
    const rows = (kind, of) => {
      const key = `${kind} ${of}`;
      if (!visible.has(key)) {
        const all = stretch.rows(kind, of);
        // One on each side, so that lines go on to the edge.
        visible.set(key, all.slice(Math.max(0, placeOf(all, x0) - 1), placeOf(all, x1) + 1));
      }
      return visible.get(key);
    };
    const frontier = page.store.progress?.frontier_ms ?? null;
    // Of a window that is not seen nothing is told: it may not even be loaded.
    this.pointed = this.hover !== null && this.hover > x0 && this.hover <= x1 + shape.step ? this.hover : null;
    const closedTo = Math.min(frontier ?? last, last);
    return {
      x0, x1, first, last, shape, rows, frontier, slide: shape.step, hover: this.pointed && this.extent(this.pointed), front: this.panels[0],
      late: this.late.filter((at) => at >= x0 && at <= x1),
      shades: (panel) => this.shades(panel, { rows, x0, closedTo, stretch }),
      newest: last,
      hovered: (panel) => (panel.kind ? number(stretch.at(panel.kind, panel.name, this.pointed)?.[panel.kind === "basis" ? "basis" : "vwap"]) : NaN),
      flash: (r) => {
        const since = this.finals.get(r);
        return since === undefined || this.still.matches ? 1 : Math.min(1, (performance.now() - since) / FLASH);
      },
    };
  }

  /** The window that ends then, true to its start; where none of the panels has it, as long as the others. */
  extent(end) {
    const step = this.stretch?.shape.step ?? this.page.shape.step;
    for (const [kind, name] of this.page.series) {
      const row = this.stretch?.at(kind, name, end);
      if (row) return row;
    }
    return { start_ms: end - step, end_ms: end };
  }

  /** What is missing is told only of times from which rows are kept, of that name, and which have been loaded. */
  shades(panel, { rows, x0, closedTo, stretch }) {
    if (!panel.kind) return [];
    const { shape } = stretch;
    const own = new Map(rows(panel.kind, panel.name).map((row) => [row.end_ms, row]));
    const shades = [];
    const others = new Map();
    for (const [kind, name] of this.page.series.filter(([kind]) => kind === "cross" || kind === "symbol")) {
      for (const row of rows(kind, name)) others.set(row.end_ms, Math.max(others.get(row.end_ms) ?? 0, row.bucket?.windows ?? 1));
    }
    for (const row of own.values()) {
      const [from, to] = shape.slot(row);
      const value = panel.kind === "basis" ? row.basis : row.vwap;
      if (stage(row) === "provisional") shades.push({ from, to, kind: "open" });
      else if (value === null || value === undefined) shades.push({ from, to, kind: "missing" });
      else if (row.bucket && (row.bucket.missing > 0 || row.bucket.windows < (others.get(row.end_ms) ?? 0))) shades.push({ from, to, kind: "some" });
    }
    // Windows in which others traded and this one did not.
    const since = this.timeline.since(panel.kind, panel.name);
    const isKept = (end) => end - shape.step >= Math.max(since, stretch.from) - 1 && end <= stretch.until;
    if (panel.kind !== "basis") {
      for (const end of others.keys()) {
        if (!own.has(end) && end > x0 && end <= closedTo && isKept(end)) shades.push({ from: end - shape.step, to: end, kind: "missing" });
      }
    }
    return merged(shades);
  }

  draw() {
    if (!this.page.catalogue || this.page.all) return;
    const view = this.view();
    this.host.setAttribute("aria-busy", Boolean(this.history.pending));
    if (!view) {
      this.panels.forEach((panel) => panel.legend.replaceChildren("no row yet"));
      return;
    }
    this.last = view;
    const gutter = Math.max(28, ...this.panels.map((panel) => panel.measure(view)));
    for (const panel of this.panels) panel.draw(view, this.colours, gutter);
    this.legends();
    this.drawn(view);
    const now = performance.now();
    for (const [row, since] of this.finals) if (now - since > FLASH) this.finals.delete(row);
    if (this.finals.size > 0 && !this.still.matches) this.soon();
  }

  legends() {
    let told = null;
    for (const panel of this.panels) {
      if (!panel.kind) {
        panel.tell(this.stretch, this.pointed);
        continue;
      }
      const rows = this.last.rows(panel.kind, panel.name);
      const row = this.pointed ? this.stretch.at(panel.kind, panel.name, this.pointed) : rows.findLast((row) => row.start_ms < this.last.x1);
      const legend = panel.legend;
      if (!row) {
        legend.replaceChildren(this.pointed ? "no trade in this window" : "no row here");
        continue;
      }
      // The window is told once, unless a leg's is another one.
      const times = row.end_ms === told ? [] : [part("", dated(row))];
      told ??= row.end_ms;
      legend.replaceChildren(...times, ...parts(panel.kind, row), part("", describe(row)));
    }
  }

  /** The ends of all windows that are there to be pointed at. */
  ends() {
    const stretch = this.stretch ?? this.history.live();
    const names = this.page.series.filter(([kind]) => kind !== "stats");
    return [...new Set(names.flatMap(([kind, name]) => stretch.rows(kind, name).map((row) => row.end_ms)))].sort((a, b) => a - b);
  }

  /** Points at a window, and reads it out. */
  to(end) {
    this.hover = end;
    this.timeline.reveal(end);
    // The day is read out where it is another one than before.
    const day = dayOf(this.extent(end));
    const begins = day === this.read ? "" : `${day}, `;
    this.read = day;
    this.readout.textContent = begins + this.page.series.filter(([kind]) => kind !== "stats").map(([kind, name]) => {
      const row = this.stretch?.at(kind, name, end);
      const known = kind === "basis" ? name : this.page.told({ kind, name });
      if (!row) return `${known}: no trade`;
      if (kind === "basis") return `basis ${brief(row.basis, 9)}`;
      return `${known} ${moment(row)}: ${brief(row.vwap, 9)}, ${describe(row)}`;
    }).join("; ");
    this.soon();
  }
}

const part = (label, ...values) => {
  const whole = document.createElement("span");
  whole.append(Object.assign(document.createElement("i"), { textContent: label }), ...values.flat());
  return whole;
};

/** What a legend tells of a row, or of a bucket. */
const parts = (kind, row) => {
  const { bucket } = row;
  const spread = bucket ? [part("min ", exact(bucket.min)), part("max ", exact(bucket.max))] : [];
  if (kind === "basis") {
    const value = part("", exact(row.basis));
    if (bucket) return [value, ...spread];
    return [value, ...(row.basis_bps ? [part("", `${brief(row.basis_bps, 4)} bps`)] : []), part("cross ", exact(row.cross)), part("direct ", exact(row.direct))];
  }
  if (kind === "cross") {
    const deviating = bucket || row.vw_std === null ? (!bucket && divides(row) ? [part("", "no ±: a leg divides")] : []) : [part("± ", deviation(row.vw_std))];
    return [part(bucket ? "last " : "", exact(row.vwap)), ...spread, ...deviating, part("trades ", grouped(row.trades))];
  }
  const candle = [part("O ", plain(row.open)), part("H ", plain(row.high)), part("L ", plain(row.low)), part("C ", plain(row.close)), part("V ", plain(row.volume))];
  return [...candle, ...(bucket ? [part("trades ", grouped(row.trades))] : [part("VWAP ", exact(row.vwap))])];
};

/** Neighbours of one kind as one. */
const merged = (shades) => shades.sort((a, b) => a.from - b.from).reduce((whole, next) => {
  const last = whole.at(-1);
  if (last && last.kind === next.kind && next.from <= last.to) last.to = Math.max(last.to, next.to);
  else whole.push(next);
  return whole;
}, []);

/** How far a row is, in words. */
export const describe = (row) => {
  if (row.bucket) {
    const { windows, missing, corrected, open } = row.bucket;
    const missed = missing > 0 ? [`${missing} without a value`] : [];
    return [counted(windows, "window"), ...missed, ...(corrected > 0 ? [`${corrected} corrected`] : []), ...(open > 0 ? [`${open} not final`] : [])].join(", ");
  }
  const words = [stage(row)];
  // The row of a window that is filled.
  if (row.kind === "symbol" && row.trades === 0) words.push("no trade");
  if (row.revision > 0) words.push(`revision ${row.revision}`);
  if (row.status === "leg_missing") words.push(`${row.legs.filter((leg) => leg.vwap === null).map((leg) => leg.symbol).join(", ")} missing`);
  if (row.status === "carried" && row.legs) words.push(`${row.legs.filter((leg) => leg.age_ms > 0).map((leg) => leg.symbol).join(", ")} carried`);
  if (row.kind === "basis" && row.status !== "complete") words.push(row.status.replace("_", " "));
  // Of a window that is open, trades are still to come.
  if (row.closed && row.missing_ids > 0) words.push(`${counted(row.missing_ids, "id")} missing`);
  if (row.closed && row.missing_ids < 0) words.push(`${counted(-row.missing_ids, "trade")} too many`);
  return words.join(", ");
};
