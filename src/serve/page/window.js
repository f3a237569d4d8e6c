// What the name of a window definition says: 10s, 1m/10s, 1d@Europe/Berlin, anchored:1d/1m.

import { duration } from "./text.js";

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const DAY = 86_400_000;
const CIVIL = { "1d": [DAY, "days"], "1w": [7 * DAY, "weeks"], "1mo": [31 * DAY, "months"] };

const length = (text) => {
  const [, number, unit] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? [];
  return unit ? Number(number) * UNITS[unit] : null;
};

const civil = (text) => {
  const [unit, ...zone] = text.split("@");
  return CIVIL[unit] ? { size: CIVIL[unit][0], units: CIVIL[unit][1], zone: zone.join("@") || "UTC" } : null;
};

const lasting = (ms) => duration(ms).replace(".0", "").replace(/ 0 (s|min)$/, "");

/** How windows of a definition stand on the axis; `step` is how far their ends are apart, at most. */
export class Shape {
  constructor(name) {
    this.name = name;
    const cut = name.lastIndexOf("/");
    if (name.startsWith("anchored:")) {
      this.grows = true;
      this.step = length(name.slice(cut + 1)) ?? 1_000;
      this.size = 0;
      this.words = `${since(name.slice(9, cut))}, one every ${lasting(this.step)}`;
    } else if (civil(name)) {
      const { size, units, zone } = civil(name);
      this.step = size;
      this.size = size;
      this.words = `${units} of ${zone}`;
    } else {
      const [size, slide = size] = name.split("/").map(length);
      this.step = slide ?? 1_000;
      this.size = size ?? 1_000;
      this.slides = slide !== size;
      this.words = this.slides ? `${lasting(size)} long, one every ${lasting(slide)}` : `${lasting(size ?? 1_000)} long`;
    }
    /** Whether windows hold what others hold too. */
    this.overlaps = Boolean(this.grows || this.slides);
  }

  /** The part of the axis that is a window's own. */
  slot({ start_ms, end_ms }) {
    return this.overlaps ? [end_ms - this.step, end_ms] : [start_ms, end_ms];
  }

  /** Where a window's value stands: in its middle, or where windows overlap at its end, as of which it holds. */
  point({ start_ms, end_ms }) {
    return this.overlaps ? end_ms : (start_ms + end_ms) / 2;
  }

  /** Where the axis begins with this window: what began long ago takes no room. */
  begin(row) {
    return this.grows ? row.end_ms - this.step : row.start_ms;
  }

  /** Whether no window is missing between two. */
  follows(row, before) {
    return this.slides ? row.end_ms - before.end_ms <= this.step * 1.01 : row.start_ms <= before.end_ms;
  }
}

const since = (period) => {
  if (period === "all") return "since the beginning";
  const { units, zone } = civil(period) ?? {};
  if (units) return `since the ${units.slice(0, -1)} began in ${zone}`;
  return length(period) ? `since the last multiple of ${lasting(length(period))}` : `since ${period}`;
};
