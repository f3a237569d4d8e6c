// The rows that are drawn: those of the stream while they reach far enough back, else rows of a stretch of time as the
// server keeps them, and of a long one the server's buckets. What is not loaded is never told as missing.

import { Store } from "./store.js";
import { number } from "./painters.js";

/** Windows that the stream's snapshot has of each name. */
export const WINDOWS = 1_000;
/** Rows of one answer. */
const MOST_ROWS = 10_000;
const AGAIN = 2_000;
/** Pixels that a bucket has, at least. */
const PIXELS = 5;

/** How buckets stand on the axis. */
export const bucketShape = (step) => ({
  step,
  overlaps: false,
  slides: false,
  grows: false,
  slot: ({ start_ms, end_ms }) => [start_ms, end_ms],
  point: ({ start_ms, end_ms }) => (start_ms + end_ms) / 2,
  /** The last value of a bucket stands at its end. */
  last: ({ end_ms }) => end_ms,
  begin: (row) => row.start_ms,
  follows: (row, before) => row.start_ms <= before.end_ms,
});

/** A bucket in the fields of a row: its last value, and beside it what all of its windows say. */
const rowOf = (kind, name, bucket) => ({
  kind,
  name,
  start_ms: bucket.start_ms,
  end_ms: bucket.end_ms,
  bucket,
  vwap: bucket.last,
  basis: bucket.last,
  vw_std: null,
  ...(bucket.candle ?? {}),
  trades: bucket.trades,
  missing_ids: bucket.missing_ids,
  revision: bucket.corrected,
  closed: true,
  final: bucket.open === 0,
  status: bucket.missing > 0 ? "leg_missing" : "complete",
  legs: [],
});

/** Rows as buckets of that length, for the eye only: candles that would be too narrow to be told apart. */
export const grouped = (rows, step) => {
  const buckets = [];
  for (const row of rows) {
    const start = Math.floor((row.end_ms - 1) / step) * step;
    let last = buckets.at(-1);
    if (last?.start_ms !== start) {
      last = { ...row, start_ms: start, end_ms: start + step, revision: 0, missing_ids: 0, volume: 0, final: true, closed: true, vwap: null, open: null };
      buckets.push(last);
    }
    last.revision += row.revision > 0 ? 1 : 0;
    last.missing_ids += row.closed ? row.missing_ids ?? 0 : 0;
    last.volume += number(row.volume) || 0;
    last.final &&= row.final ?? true;
    last.closed &&= row.closed ?? true;
    if (row.open === null) continue;
    if (last.open === null) [last.open, last.high, last.low] = [row.open, row.high, row.low];
    if (number(row.high) > number(last.high)) last.high = row.high;
    if (number(row.low) < number(last.low)) last.low = row.low;
    last.close = row.close;
  }
  return buckets;
};

/** Rows of a stretch of time; `at` finds the window, or the bucket, that holds an end. */
class Stretch {
  constructor(store, from, until, shape, bucket) {
    Object.assign(this, { store, from, until, shape, bucket });
  }

  rows(kind, name) {
    return this.store.rows(kind, name);
  }

  at(kind, name, end) {
    return this.bucket ? this.store.within(kind, name, end) : this.store.at(kind, name, end);
  }

  covers(from, until) {
    return this.from <= from && this.until >= until;
  }
}

export class History {
  /** `ask(path)` gets JSON, `changed()` is told when something has come. */
  constructor(page, ask, changed) {
    Object.assign(this, { page, ask, changed, stretch: null, pending: null, failed: 0, epoch: 0 });
  }

  /** Forgets everything: another name, another window, another server. */
  clear() {
    Object.assign(this, { stretch: null, pending: null, failed: 0, epoch: this.epoch + 1 });
  }

  /** What the stream has told, as far back as it goes. */
  live() {
    const { store, shape } = this.page;
    const full = [...store.series.keys()].map((key) => key.split(/ (.*)/s, 2)).map(([kind, name]) => store.rows(kind, name)).filter((rows) => rows.length >= WINDOWS);
    const from = Math.max(-Infinity, ...full.map((rows) => shape.begin(rows[0])));
    return new Stretch(store, store.whole ? from : Infinity, Infinity, shape, null);
  }

  /** What there is to draw of a stretch of time, so many pixels wide; asks for it where it is not there. */
  of({ x0, x1, last, width, series }) {
    const { shape } = this.page;
    const live = this.live();
    const windows = (Math.min(x1, last) - x0) / shape.step;
    if (!this.page.store.whole || (live.from <= x0 && windows <= 2 * WINDOWS)) return live;
    const reach = Math.min(x1, last);
    const asRows = !shape.grows && windows * series.length <= MOST_ROWS / 2 && windows <= WINDOWS;
    const ideal = (PIXELS * (x1 - x0)) / Math.max(1, width);
    const fits = (stretch) => {
      if (!stretch || !stretch.covers(x0, Math.min(reach, stretch.edge))) return false;
      return asRows ? !stretch.bucket : Boolean(stretch.bucket) && stretch.ideal / ideal < 1.9 && ideal / stretch.ideal < 1.9;
    };
    const stale = (stretch) => stretch.live && last - stretch.last > Math.max(shape.step, (stretch.bucket ?? 0) / 4) && performance.now() - stretch.asked > AGAIN;
    const there = fits(this.stretch) ? this.stretch : null;
    if ((!there || stale(there)) && !this.pending && !this.page.wasAway && performance.now() > this.failed) this.load({ x0, x1, last, asRows, ideal, series });
    if (there) return there;
    // Until it has come, what is there.
    return this.stretch ?? live;
  }

  async load({ x0, x1, last, asRows, ideal, series }) {
    const { page, epoch } = this;
    const margin = (x1 - x0) * (asRows ? 0.5 : 1);
    const [from, until] = [Math.max(0, Math.floor(x0 - margin)), Math.ceil(Math.min(x1 + margin, last))].map(Math.round);
    this.pending = { asked: performance.now() };
    try {
      const stretch = asRows ? await this.asRows(from, until, series) : await this.asBuckets(from, until, ideal, series);
      if (epoch !== this.epoch) return;
      // Rows that are still to come are after the last one.
      Object.assign(stretch, { last, ideal, asked: performance.now(), live: until >= last, edge: last });
      this.stretch = stretch;
      this.failed = 0;
    } catch (error) {
      this.failed = performance.now() + AGAIN;
      setTimeout(() => this.changed(), AGAIN + 50);
    } finally {
      if (epoch === this.epoch) this.pending = null;
    }
    if (page.catalogue) this.changed();
  }

  async asRows(from, until, series) {
    const { page } = this;
    const there = series.filter(([kind, name]) => page.isThere(kind, name));
    const names = [...new Set(there.map(([, name]) => name))].map(encodeURIComponent).join(",");
    const store = new Store(Infinity);
    let path = `/v1/windows?name=${names}&window=${encodeURIComponent(page.window)}&from=${Math.max(0, from - page.shape.size)}&until=${until}&limit=${MOST_ROWS}`;
    for (let cursor = ""; cursor !== null;) {
      const answer = await this.ask(cursor ? `${path}&cursor=${encodeURIComponent(cursor)}` : path);
      if (!answer) throw new Error("no answer");
      answer.rows.forEach((row) => store.put(row));
      cursor = answer.next;
    }
    return new Stretch(store, from, until, page.shape, null);
  }

  async asBuckets(from, until, ideal, series) {
    const { page } = this;
    const store = new Store(Infinity);
    const buckets = Math.min(2_000, Math.max(2, Math.ceil((until - from) / ideal)));
    let step = 0;
    const kinds = series.filter(([kind, name]) => kind !== "stats" && page.isThere(kind, name));
    await Promise.all(kinds.map(async ([kind, name]) => {
      const answer = await this.ask(`/v1/series?kind=${kind}&name=${encodeURIComponent(name)}&window=${encodeURIComponent(page.window)}&from=${from}&until=${until}&buckets=${buckets}`);
      if (!answer) throw new Error("no answer");
      step = answer.bucket_ms;
      answer.buckets.forEach((bucket) => store.put(rowOf(kind, name, bucket)));
    }));
    return new Stretch(store, from, until, bucketShape(step), step);
  }
}
