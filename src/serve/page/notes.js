// What happened, the newest in event time first: of each sort of notes some stay, however many there are of another, and
// windows in a row of which the same is said are one note.

const MOST = 60;
/** Notes of each sort that the others do not push out. */
const SHARE = 15;

export class Notes {
  constructor() {
    this.list = [];
    this.count = 0;
  }

  /** The newest moment that a note is of. */
  newest() {
    return this.list[0]?.at ?? 0;
  }

  /** `sort` is rows, refused, before (of which the time is not known) or page; `at` the event time. */
  add(note) {
    this.count += 1;
    this.list.push({ ...note, nth: this.count });
    this.arrange();
  }

  /** A note on a window, about something; `follows(row, before)` tells whether a window comes right after another. */
  window({ what, row, number, about, follows }, text) {
    const key = `${what} ${row.kind} ${row.name} ${about}`;
    const near = this.list.filter((note) => note.key === key && (follows(row, note.last) || follows(note.first, row)));
    const windows = [row, ...near.flatMap(({ first, last }) => [first, last])].sort((a, b) => a.end_ms - b.end_ms);
    const [first, last] = [windows[0], windows.at(-1)];
    const sum = (values) => values.reduce((whole, value) => whole + value, 0);
    // The window may be the one that was missing between two runs.
    this.list = this.list.filter((note) => !near.includes(note));
    const [count, total] = [sum([1, ...near.map((note) => note.windows)]), sum([number, ...near.map((note) => note.number)])];
    this.add({ what, key, sort: "rows", at: last.end_ms, first, last, windows: count, number: total, text });
  }

  /** Other notes of these sorts. */
  replace(sorts, notes) {
    this.list = this.list.filter((note) => !sorts.includes(note.sort));
    for (const note of notes) {
      this.count += 1;
      this.list.push({ ...note, nth: this.count });
    }
    this.arrange();
  }

  arrange() {
    this.list.sort((a, b) => b.at - a.at || b.nth - a.nth);
    if (this.list.length <= MOST) return;
    const seen = new Map();
    const share = new Set(this.list.filter(({ sort }) => {
      seen.set(sort, (seen.get(sort) ?? 0) + 1);
      return seen.get(sort) <= SHARE;
    }));
    let room = MOST - share.size;
    this.list = this.list.filter((note) => {
      if (share.has(note)) return true;
      room -= 1;
      return room >= 0;
    });
  }
}
