// What the address asks for and is not there, or cannot be read: it is said above what is shown instead.

import { MOST_NAMES } from "./address.js";
import { instant } from "./text.js";

const list = (texts) => texts.join(", ");

/** Sentences about a stretch of time that reaches beyond what is kept. */
export const beyond = ({ x0, x1, first, last, step }) => {
  const kept = `rows are kept from ${instant(first)} to ${instant(last)}`;
  if (x1 <= first || x0 >= last + step) return [`Of ${instant(x0)} to ${instant(x1)} there is nothing: ${kept}.`];
  const isEarly = x0 < first - step;
  const isLate = x1 > Math.max(last + step, first + 16 * step) + step;
  return isEarly || isLate ? [`Of ${instant(x0)} to ${instant(x1)} a part is there: ${kept}.`] : [];
};

export class Wishes {
  constructor(page, timeline) {
    Object.assign(this, { page, timeline, window: null, unread: [], more: [] });
    this.host = document.getElementById("wishes");
  }

  /** What an address, or somebody at the page, wishes. */
  take(wish) {
    if ("window" in wish || "name" in wish) this.window = wish.window || null;
    this.unread = wish.unread ?? [];
    this.more = wish.more ?? [];
  }

  /** Whether other windows are shown than those that are wished for. */
  isOtherWindow() {
    const { page } = this;
    return Boolean(this.window && page.window) && page.window !== this.window && (page.all || page.isKnown(page));
  }

  sentences() {
    const { page } = this;
    const said = this.unread.length > 0 ? [`The address says what cannot be read: ${list(this.unread)}.`] : [];
    if (this.isOtherWindow()) said.push(`There are no windows ${this.window} here: those that are shown are ${page.window}.`);
    if (page.all || !page.isKnown(page)) return said;
    const unknown = page.others.filter((ref) => !page.isKnown(ref));
    if (unknown.length > 0) said.push(`There is no ${list(unknown.map(page.told))} here to compare with; as soon as it has rows they are shown.`);
    if (this.more.length > 0) said.push(`${MOST_NAMES} names at most are compared, here without ${list(this.more.map(page.told))}.`);
    const range = this.timeline.range();
    if (!range) return said;
    const { step } = page.shape;
    if (page.until !== null) said.push(...beyond({ ...range, step }));
    const isKept = page.at === null || (page.at > range.first && page.at <= range.last + step);
    if (!isKept) said.push(`The window that ends at ${instant(page.at)} is not kept.`);
    return said;
  }

  say() {
    const text = this.page.catalogue ? this.sentences().join(" ") : "";
    if (this.host.textContent === text) return;
    this.host.textContent = text;
    this.host.hidden = text === "";
  }
}
