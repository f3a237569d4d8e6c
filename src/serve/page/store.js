// What the page knows: the newest row of each window, and how far the job is.

/** Windows of a name that are kept of a stream, which has no end. */
const MOST = 2_000;

export const stage = (row) => (row.final ?? true ? "final" : row.closed ? "closed" : "provisional");

/** Whether a cross has a leg that divides: such a one has no deviation, since its legs' moments say nothing of a quotient. */
export const divides = (row) => row.kind === "cross" && row.legs.some((leg) => leg.inverse);

/** The path of a cross, as its legs tell it: A × B ÷ C. */
export const path = (legs) => legs.map(({ symbol, inverse }, place) => `${inverse ? (place === 0 ? "1 ÷ " : " ÷ ") : place === 0 ? "" : " × "}${symbol}`).join("");

export class Store {
  constructor(most = MOST) {
    this.most = most;
    this.series = new Map();
    this.sorted = new Map();
    this.progress = null;
    /** Whether all of the snapshot has come. */
    this.whole = false;
  }

  /** Takes a message in; what has changed, as pairs of a row and the one before it. */
  take(message) {
    if (message.type === "progress") {
      const before = this.progress;
      this.progress = message;
      return { progress: { before, now: message } };
    }
    if (message.type === "snapshot") {
      this.series.clear();
      this.sorted.clear();
    }
    this.whole = message.id !== null;
    const rows = message.rows.map((row) => ({ row, before: this.put(row) }));
    // A snapshot goes on in updates without an id: none of that is news.
    return { rows, begins: message.type === "snapshot", anew: message.type === "snapshot" || message.id === null, reason: message.reason ?? null };
  }

  put(row) {
    const name = `${row.kind} ${row.name}`;
    let series = this.series.get(name);
    if (!series) this.series.set(name, (series = new Map()));
    const key = `${row.end_ms} ${row.start_ms}`;
    const before = series.get(key);
    series.set(key, row);
    const sorted = this.sorted.get(name);
    if (sorted && before) sorted[sorted.lastIndexOf(before)] = row;
    else if (sorted && row.end_ms > (sorted.at(-1)?.end_ms ?? 0)) sorted.push(row);
    else this.sorted.delete(name);
    if (series.size > this.most) {
      const [first] = this.rows(row.kind, row.name);
      series.delete(`${first.end_ms} ${first.start_ms}`);
      this.sorted.delete(name);
    }
    return before;
  }

  /** The kinds of rows that a name has. */
  kinds(name) {
    return [...this.series.keys()].filter((key) => key.endsWith(` ${name}`)).map((key) => key.split(" ", 1)[0]);
  }

  /** The rows of a name in the order of their windows. */
  rows(kind, name) {
    const key = `${kind} ${name}`;
    let sorted = this.sorted.get(key);
    if (!sorted) {
      sorted = [...(this.series.get(key)?.values() ?? [])].sort((a, b) => a.end_ms - b.end_ms || a.start_ms - b.start_ms);
      this.sorted.set(key, sorted);
    }
    return sorted;
  }

  /** The row of the window that ends then. */
  at(kind, name, end) {
    const row = this.from(kind, name, end);
    return row?.end_ms === end ? row : undefined;
  }

  /** The row whose stretch of time holds that moment, its end included. */
  within(kind, name, end) {
    const row = this.from(kind, name, end);
    return row && row.start_ms < end ? row : undefined;
  }

  /** The first row that ends then or later. */
  from(kind, name, end) {
    const rows = this.rows(kind, name);
    return rows[placeOf(rows, end)];
  }
}

/** The place of the first row that ends then or later. */
export const placeOf = (rows, end) => {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].end_ms < end) low = middle + 1;
    else high = middle;
  }
  return low;
};
