// Two to six names in one chart: their rates, or how much per cent they moved since a moment.

import { MOST_NAMES } from "./address.js";
import { Panel } from "./chart.js";
import * as painters from "./painters.js";
import { room } from "./scale.js";
import { placeOf } from "./store.js";
import { exact, instant, percent } from "./text.js";

const COLOURS = ["one", "two", "three", "four", "five", "six"];
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [14, 4]];
const { number } = painters;
const SVG = "http://www.w3.org/2000/svg";

/** A line as it is drawn in the chart. */
const swatch = (dashes) => {
  const [whole, line] = ["svg", "line"].map((name) => document.createElementNS(SVG, name));
  for (const [name, value] of [["class", "line"], ["aria-hidden", "true"]]) whole.setAttribute(name, value);
  for (const [name, value] of [["x2", 36], ["y1", 1.5], ["y2", 1.5], ["stroke-dasharray", dashes.join(" ")]]) line.setAttribute(name, value);
  whole.append(line);
  return whole;
};

/** The panel of all names. */
export const comparePanel = (charts, host) => {
  const { page } = charts;
  const { figure, legend } = charts.figure(host, page.percent ? "per cent" : "rates", "compare");
  const named = page.series.filter(([kind]) => kind === "cross" || kind === "symbol");
  /** What a name is compared with: its value at the moment, or the first one after it. */
  const bases = (view) => {
    const since = page.since ?? view.x0;
    return named.map(([kind, name]) => {
      const rows = charts.stretch.rows(kind, name);
      return rows.slice(placeOf(rows, since)).find((row) => row.vwap !== null && row.end_ms >= since);
    });
  };
  const valued = (view) => {
    const based = page.percent ? bases(view) : [];
    return named.map(([kind, name], nth) => {
      const base = number(based[nth]?.vwap);
      const scale = page.percent ? (rate) => (rate / base - 1) * 100 : (rate) => rate;
      return { kind, name, rows: view.rows(kind, name), scale, value: (row) => scale(number(row.vwap)) };
    });
  };
  const panel = new Panel(figure, {
    height: 420,
    unit: page.percent ? " %" : "",
    domain: (view) => room(valued(view).flatMap(({ rows, value, scale }) => rows.flatMap((row) => (row.bucket ? [scale(number(row.bucket.min)), scale(number(row.bucket.max))] : [value(row)])))),
    painter: (pane) => {
      const each = valued(pane.view).map((of, nth) => ({ ...of, colour: pane.colours[COLOURS[nth]], dashes: DASHES[nth] }));
      painters.lines(pane, each);
      painters.late(pane);
    },
  });
  /** The legend: each name with its line, its value, and the way to take it out. */
  const tell = (stretch, hover) => {
    const view = charts.last;
    const based = page.percent ? bases(view) : [];
    const told = named.map(([kind, name], nth) => {
      const row = hover ? stretch.at(kind, name, hover) : view.rows(kind, name).findLast((row) => row.vwap !== null && row.start_ms < view.x1 && row.end_ms > view.x0);
      const value = !row ? "no row" : page.percent ? percent(number(row.vwap) / number(based[nth]?.vwap) - 1) : exact(row.vwap);
      const known = page.told({ kind, name });
      return { name: known, value, text: `${known}${row?.vwap}${value}` };
    });
    const since = page.percent ? `since ${page.since ? instant(page.since) : "the left edge"}` : "";
    const text = [hover ? instant(hover) : "", since].filter(Boolean).join(", ");
    const wanted = JSON.stringify([told.map((name) => name.text), text]);
    if (legend.dataset.told === wanted) return;
    legend.dataset.told = wanted;
    const at = document.createElement("span");
    at.textContent = text;
    legend.replaceChildren(...told.map(({ name, value }, nth) => {
      const whole = document.createElement("span");
      whole.className = `line-${COLOURS[nth]}`;
      whole.append(swatch(DASHES[nth]), `${name} `, value);
      return whole;
    }), at);
  };
  const keys = named.map((_, nth) => ({ colour: COLOURS[nth], dashes: DASHES[nth] }));
  return Object.assign(panel, { legend, keys, least: 300, most: 460, tell });
};

/** The controls: what is compared, and how. `choose(wish)` changes the page. */
export class Comparing {
  constructor(page, choose, timeline) {
    Object.assign(this, { page, choose, timeline });
    this.host = document.getElementById("compare");
    this.field = document.getElementById("compare-name");
    this.said = document.getElementById("compare-said");
    this.kind = document.getElementById("compare-as");
    const add = () => this.add(this.field.value.trim());
    document.getElementById("compare-form").addEventListener("submit", (event) => {
      event.preventDefault();
      add();
    });
    this.field.addEventListener("input", (event) => {
      // A choice from the list, and no letter that was typed.
      if (!event.inputType || event.inputType === "insertReplacementText") add();
    });
    this.kind.addEventListener("change", () => {
      const isPercent = this.kind.value !== "rates";
      this.choose({ percent: isPercent, since: isPercent ? this.page.at : null });
    });
  }

  add(text) {
    const { page } = this;
    if (!text) return;
    const ref = page.meant(text);
    const taken = ref && [page, ...page.others].some((other) => page.told(other) === page.told(ref));
    this.said.textContent = !ref ? `there is no ${text}` : taken ? `${text} is there` : page.others.length + 1 >= MOST_NAMES ? `${MOST_NAMES} names at most` : "";
    if (this.said.textContent) return;
    this.field.value = "";
    this.choose({ others: [...page.others, ref] });
  }

  set() {
    const { page } = this;
    const chips = page.others.map((ref) => {
      const name = page.told(ref);
      const chip = Object.assign(document.createElement("button"), { type: "button", className: "chip", textContent: `${name} ×` });
      chip.setAttribute("aria-label", `take ${name} out of the chart`);
      chip.addEventListener("click", () => this.choose({ others: page.others.filter((other) => other !== ref) }));
      return chip;
    });
    document.getElementById("compare-names").replaceChildren(...chips);
    this.kind.hidden = page.others.length === 0;
    this.kind.value = page.percent ? "percent" : "rates";
    this.kind.options[1].textContent = page.since ? `per cent since ${instant(page.since)}` : page.at ? "per cent since the held window" : "per cent since the left edge";
  }
}
