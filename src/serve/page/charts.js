// The panels over one time axis: the rate, and the candles of each leg; crosshair, legends, keys.

import { Panel, palette } from "./chart.js";
import * as painters from "./painters.js";
import { room } from "./scale.js";
import { divides, stage } from "./store.js";
import { brief, counted, deviation, exact, grouped, moment, plain, span } from "./text.js";

const FLASH = 700;

export class Charts {
  /** `chosen(end)` is told which window is kept under the crosshair, `span(step)` that more or less time is wished. */
  constructor(page, { chosen, span: wished }) {
    Object.assign(this, { page, chosen, wished, panels: [], hover: null, finals: new Map(), late: [], colours: palette() });
    this.host = document.getElementById("charts");
    this.readout = document.getElementById("readout");
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.colours = palette();
      this.soon();
    });
    new ResizeObserver(() => this.soon()).observe(this.host);
    this.pointers();
    this.keys();
  }

  /** Sets the panels up for the name that is chosen. */
  set() {
    const { page } = this;
    const wanted = `${page.cross} ${page.name} ${page.window} ${page.legs.map((leg) => leg.symbol)}`;
    if (wanted !== this.shown) {
      this.shown = wanted;
      [this.hover, this.late] = [null, []];
      this.finals.clear();
      const host = document.getElementById("panels");
      host.replaceChildren();
      const phone = matchMedia("(max-width: 600px)").matches;
      this.panels = page.cross ? [this.ratePanel(host, phone ? 190 : 250)] : [];
      page.legs.forEach((leg, place) => {
        const last = place === page.legs.length - 1;
        this.panels.push(this.legPanel(host, leg, page.cross ? (phone ? 130 : 150) : 320, last));
      });
      if (this.panels.length > 0) this.panels.at(-1).axis = true;
    }
    this.soon();
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

  ratePanel(host, height) {
    const { page } = this;
    const { figure, legend } = this.figure(host, page.name, page.name);
    const rows = (view) => view.rows("cross", page.name);
    const panel = new Panel(figure, {
      height,
      domain: (view) => {
        const of = rows(view).filter((row) => row.vwap !== null);
        return room(of.flatMap((row) => [painters.number(row.vwap) + (row.vw_std ?? 0), painters.number(row.vwap) - (row.vw_std ?? 0)]));
      },
      painter: (pane) => {
        painters.rate(pane, rows(pane.view), pane.view.rows("stats", page.name));
        painters.marks(pane, rows(pane.view));
        painters.late(pane);
      },
    });
    return Object.assign(panel, { legend, kind: "cross", name: page.name });
  }

  legPanel(host, leg, height) {
    const { page } = this;
    const inverse = leg.inverse ? " (divides)" : "";
    const { figure, legend } = this.figure(host, `${leg.symbol}${inverse}`, leg.symbol);
    const rows = (view) => view.rows("symbol", leg.symbol);
    const panel = new Panel(figure, {
      height,
      domain: (view) => {
        const range = room(rows(view).flatMap((row) => [painters.number(row.high), painters.number(row.low)]));
        // The volume stands below the prices.
        return range && [range[0] - (range[1] - range[0]) * 0.22, range[1]];
      },
      painter: (pane) => {
        painters.candles(pane, rows(pane.view));
        painters.marks(pane, rows(pane.view));
        if (!page.cross) painters.late(pane);
      },
    });
    return Object.assign(panel, { legend, kind: "symbol", name: leg.symbol });
  }

  /** News: remembers what became final, to show it as it happens. */
  take({ rows, progress, anew }) {
    if (anew) [this.late, this.hover] = [[], this.page.at];
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

  /** The windows of the axis: the first panel's. */
  windows() {
    const [first] = this.panels;
    return first ? this.page.store.rows(first.kind, first.name) : [];
  }

  view() {
    const { store, legs, name, cross, shape } = this.page;
    const kinds = [...(cross ? [["cross", name]] : []), ...legs.map((leg) => ["symbol", leg.symbol])];
    const all = kinds.map(([kind, of]) => store.rows(kind, of)).filter((rows) => rows.length > 0);
    if (all.length === 0) return null;
    const first = Math.min(...all.map((rows) => shape.begin(rows[0])));
    const last = Math.max(...all.map((rows) => rows.at(-1).end_ms));
    const slide = shape.step;
    const x1 = Math.max(last + slide, first + 16 * slide);
    // Long windows are shown some at a time, however little time is asked for.
    const x0 = Math.max(first, x1 - Math.max(this.page.length, 24 * slide));
    const visible = new Map();
    const rows = (kind, of) => {
      const key = `${kind} ${of}`;
      if (!visible.has(key)) visible.set(key, store.rows(kind, of).filter((r) => r.end_ms > x0 && r.end_ms <= x1));
      return visible.get(key);
    };
    const frontier = store.progress?.frontier_ms ?? null;
    const closedTo = Math.min(frontier ?? last, last);
    return {
      x0, x1, slide, shape, rows, frontier, hover: this.hover && this.extent(this.hover), first: this.panels[0],
      late: this.late.filter((at) => at >= x0),
      shades: (panel) => this.shades(panel, { rows, slide, x0, closedTo, ends: new Set(all.flat().map((r) => r.end_ms)) }),
      newest: last,
      hovered: (panel) => painters.number(store.at(panel.kind, panel.name, this.hover)?.vwap),
      flash: (r) => {
        const since = this.finals.get(r);
        return since === undefined || this.still.matches ? 1 : Math.min(1, (performance.now() - since) / FLASH);
      },
    };
  }

  /** The window that ends then, true to its start; where none of the panels has it, as long as the others. */
  extent(end) {
    const rows = this.panels.map((panel) => this.page.store.at(panel.kind, panel.name, end));
    return rows.find((row) => row) ?? { start_ms: end - this.page.shape.step, end_ms: end };
  }

  shades(panel, { rows, slide, x0, closedTo, ends }) {
    const own = new Map(rows(panel.kind, panel.name).map((row) => [row.end_ms, row]));
    const shades = [];
    for (const [end, row] of own) {
      const [from, to] = this.page.shape.slot(row);
      if (stage(row) === "provisional") shades.push({ from, to, kind: "open" });
      else if (row.vwap === null) shades.push({ from, to, kind: "missing" });
    }
    // Windows in which others traded and this one did not.
    for (const end of ends) if (!own.has(end) && end > x0 && end <= closedTo) shades.push({ from: end - slide, to: end, kind: "missing" });
    return merged(shades);
  }

  draw() {
    const view = this.page.catalogue && this.view();
    if (!view) return;
    const gutter = Math.max(28, ...this.panels.map((panel) => panel.measure(view)));
    for (const panel of this.panels) panel.draw(view, this.colours, gutter);
    this.legends();
    const now = performance.now();
    for (const [row, since] of this.finals) if (now - since > FLASH) this.finals.delete(row);
    if (this.finals.size > 0 && !this.still.matches) this.soon();
  }

  legends() {
    let told = null;
    for (const panel of this.panels) {
      const rows = this.page.store.rows(panel.kind, panel.name);
      const row = this.hover ? this.page.store.at(panel.kind, panel.name, this.hover) : rows.at(-1);
      const legend = panel.legend;
      if (!row) {
        legend.replaceChildren(this.hover ? "no trade in this window" : "");
        continue;
      }
      const part = (label, value) => {
        const whole = document.createElement("span");
        whole.append(Object.assign(document.createElement("i"), { textContent: label }), value);
        return whole;
      };
      const parts = panel.kind === "cross"
        ? [part("", exact(row.vwap)), ...(row.vw_std === null ? [part("", divides(row) ? "no ±: a leg divides" : "")] : [part("± ", deviation(row.vw_std))]), part("trades ", grouped(row.trades))]
        : [part("O ", plain(row.open)), part("H ", plain(row.high)), part("L ", plain(row.low)), part("C ", plain(row.close)), part("V ", plain(row.volume)), part("VWAP ", exact(row.vwap))];
      // The window is told once, unless a leg's is another one.
      const times = row.end_ms === told ? [] : [part("", span(row))];
      told ??= row.end_ms;
      legend.replaceChildren(...times, ...parts, part("", describe(row)));
    }
  }

  pointers() {
    const at = (event) => {
      const [panel] = this.panels;
      const rows = this.ends();
      if (!panel?.plot || rows.length === 0) return null;
      const box = panel.canvas.getBoundingClientRect();
      const { overlaps, step } = this.page.shape;
      const time = panel.plot.invert(event.clientX - box.left) + (overlaps ? 0 : step / 2);
      return rows.reduce((best, end) => (Math.abs(end - time) < Math.abs(best - time) ? end : best), rows[0]);
    };
    const panels = document.getElementById("panels");
    const point = (event) => {
      this.hover = at(event);
      this.soon();
    };
    panels.addEventListener("pointermove", point);
    panels.addEventListener("pointerdown", point);
    panels.addEventListener("pointerleave", () => {
      this.hover = this.page.at;
      this.soon();
    });
    panels.addEventListener("click", (event) => {
      const end = at(event);
      this.chosen(end === this.page.at ? null : end);
    });
  }

  ends() {
    return [...new Set(this.panels.flatMap((panel) => this.page.store.rows(panel.kind, panel.name).map((row) => row.end_ms)))].sort((a, b) => a - b);
  }

  keys() {
    this.host.addEventListener("keydown", (event) => {
      if (event.target !== this.host || event.ctrlKey || event.metaKey || event.altKey) return;
      const ends = this.ends();
      const place = this.hover === null ? ends.length : ends.indexOf(this.hover);
      const move = {
        ArrowLeft: () => place - 1,
        ArrowRight: () => place + 1,
        PageUp: () => place - 10,
        PageDown: () => place + 10,
        Home: () => 0,
        End: () => ends.length - 1,
      }[event.key];
      if (move && ends.length > 0) this.to(ends[Math.min(Math.max(move(), 0), ends.length - 1)]);
      else if (event.key === "Enter") this.chosen(this.hover);
      else if (event.key === "Escape") {
        this.hover = null;
        this.chosen(null);
        this.soon();
      } else if (event.key === "+" || event.key === "=") this.wished(-1);
      else if (event.key === "-") this.wished(1);
      else return;
      event.preventDefault();
    });
  }

  to(end) {
    this.hover = end;
    this.readout.textContent = this.panels.map(({ kind, name }) => {
      const row = this.page.store.at(kind, name, end);
      return row ? `${name} ${moment(row)}: ${brief(row.vwap, 9)}, ${describe(row)}` : `${name}: no trade`;
    }).join("; ");
    this.soon();
  }
}

/** Neighbours of one kind as one. */
const merged = (shades) => shades.sort((a, b) => a.from - b.from).reduce((whole, next) => {
  const last = whole.at(-1);
  if (last && last.kind === next.kind && next.from <= last.to) last.to = Math.max(last.to, next.to);
  else whole.push(next);
  return whole;
}, []);

/** How far a row is, in words. */
export const describe = (row) => {
  const words = [stage(row)];
  // The row of a window that is filled.
  if (row.kind === "symbol" && row.trades === 0) words.push("no trade");
  if (row.revision > 0) words.push(`revision ${row.revision}`);
  if (row.status === "leg_missing") words.push(`${row.legs.filter((leg) => leg.vwap === null).map((leg) => leg.symbol).join(", ")} missing`);
  if (row.status === "carried") words.push(`${row.legs.filter((leg) => leg.age_ms > 0).map((leg) => leg.symbol).join(", ")} carried`);
  // Of a window that is open, trades are still to come.
  if (row.closed && row.missing_ids > 0) words.push(`${counted(row.missing_ids, "id")} missing`);
  if (row.closed && row.missing_ids < 0) words.push(`${counted(-row.missing_ids, "trade")} too many`);
  return words.join(", ");
};
