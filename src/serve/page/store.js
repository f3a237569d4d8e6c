// What the page knows: the newest row of each window, and how far the job is.

/** Windows of a name that are kept. */
const MOST = 2_000;

export const stage = (row) => (row.final ?? true ? "final" : row.closed ? "closed" : "provisional");

/** Whether a cross has a leg that divides: such a one has no deviation, since its legs' moments say nothing of a quotient. */
export const divides = (row) => row.kind === "cross" && row.legs.some((leg) => leg.inverse);

export class Store {
  constructor() {
    this.series = new Map();
    this.sorted = new Map();
    this.progress = null;
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
    const rows = message.rows.map((row) => ({ row, before: this.put(row) }));
    // A snapshot goes on in updates without an id: none of that is news.
    return { rows, anew: message.type === "snapshot" || message.id === null, reason: message.reason ?? null };
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
    if (series.size > MOST) {
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
    const rows = this.rows(kind, name);
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].end_ms < end) low = middle + 1;
      else high = middle;
    }
    return rows[low]?.end_ms === end ? rows[low] : undefined;
  }
}
