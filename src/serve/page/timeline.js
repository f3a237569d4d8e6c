// Which stretch of time is seen, of all that is kept: the newest one as it moves on, or one that stays.

import { LENGTH } from "./address.js";

/** Windows that are seen at least. */
const LEAST = 8;
const ALONE = 24;

export class Timeline {
  /** `moved()` is told when the stretch is another one. */
  constructor(page, moved) {
    Object.assign(this, { page, moved });
  }

  /** From when to when there are rows of what is shown; null where there are none. */
  extent() {
    const { page } = this;
    const { shape, store } = page;
    let [first, last] = [Infinity, -Infinity];
    for (const [kind, name] of page.series) {
      const entry = page.entry(kind, name);
      if (entry) {
        last = Math.max(last, entry.last_end_ms);
        first = Math.min(first, shape.grows ? entry.last_end_ms - entry.windows * shape.step : entry.first_start_ms);
      }
      const rows = store.rows(kind, name);
      if (rows.length === 0) continue;
      first = Math.min(first, shape.begin(rows[0]));
      last = Math.max(last, rows.at(-1).end_ms);
    }
    return last > first ? { first, last } : null;
  }

  /** From when on rows of a name are kept. */
  since(kind, name) {
    const { page } = this;
    const entry = page.entry(kind, name);
    const [row] = page.store.rows(kind, name);
    const known = row ? page.shape.begin(row) : Infinity;
    return entry && !page.shape.grows ? Math.min(entry.first_start_ms, known) : known;
  }

  /** The stretch that is seen. */
  range() {
    const extent = this.extent();
    if (!extent) return null;
    const { page } = this;
    const { first, last } = extent;
    const slide = page.shape.step;
    if (page.until !== null) return { first, last, x0: page.until - page.length, x1: page.until };
    const x1 = Math.max(last + slide, first + 16 * slide);
    // Long windows are shown some at a time, however little time is asked for.
    return { first, last, x0: Math.max(first, x1 - Math.max(page.length, ALONE * slide)), x1 };
  }

  /** Moves the stretch, by milliseconds. */
  pan(by) {
    const range = this.range();
    if (range) this.set(range.x0 + by, range.x1 + by);
  }

  /** Shows less or more time around a moment. */
  zoom(factor, around) {
    const range = this.range();
    if (!range) return;
    const { x0, x1, first, last } = range;
    const slide = this.page.shape.step;
    const most = Math.max(last + slide - first, 16 * slide);
    const length = Math.min(Math.max((x1 - x0) * factor, LEAST * slide), most);
    // The newest stretch stays the newest one.
    const at = this.page.until === null && around > x1 - (x1 - x0) * 0.02 ? x1 : around;
    const share = (at - x0) / (x1 - x0);
    this.set(at - length * share, at + length * (1 - share));
  }

  /** Shows that stretch, as far as rows are kept; at its newest end it moves on. */
  set(from, until) {
    const extent = this.extent();
    if (!extent) return;
    const { page } = this;
    const slide = page.shape.step;
    const end = Math.max(extent.last + slide, extent.first + 16 * slide);
    const length = Math.min(Math.max(until - from, LEAST * slide), Math.max(end - extent.first, LEAST * slide));
    const x1 = Math.max(Math.min(until, end), extent.first + length);
    const isNewest = x1 >= end - slide * 0.5;
    page.until = isNewest ? null : x1;
    page.length = isNewest && length >= end - extent.first - slide ? Infinity : length;
    this.moved();
  }

  /** The newest stretch, as it moves on. */
  newest(length) {
    this.page.until = null;
    this.page.length = length ?? (Number.isFinite(this.page.length) ? this.page.length : LENGTH);
    this.moved();
  }

  /** Shows a moment that is not seen. */
  reveal(at) {
    const range = this.range();
    if (!range || (at >= range.x0 && at <= range.x1)) return;
    const length = range.x1 - range.x0;
    if (at < range.x0) this.set(at - length * 0.1, at + length * 0.9);
    else this.set(at - length * 0.9, at + length * 0.1);
  }
}
