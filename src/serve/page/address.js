// What the address says and how it is written:
//   #XVGUSDT?window=10s&span=15m                     the newest quarter of an hour, as it moves on
//   #XVGUSDT?window=10s&from=MS&until=MS&at=MS       that stretch of time, with the window that ends at MS held
//   #A?window=10s&span=1h&with=B,C&as=percent&since=MS
//   #/?window=10s&q=xvg&sort=change                  all names

import { decoded } from "./text.js";

export const SPANS = [["5m", 300_000], ["15m", 900_000], ["1h", 3_600_000], ["6h", 21_600_000], ["1d", 86_400_000], ["all", Infinity]];
/** What is shown where nothing is said. */
export const LENGTH = 900_000;
/** Names in one chart. */
export const MOST_NAMES = 6;

const moment = (text) => (/^\d{1,13}$/.test(text ?? "") ? Number(text) : null);

/** The length of `15m`, `all` or `437s`; null of anything else. */
export const spanLength = (text) => {
  const known = SPANS.find(([span]) => span === text);
  if (known) return known[1];
  const [, seconds] = /^(\d{1,10})s$/.exec(text ?? "") ?? [];
  return Number(seconds) > 0 ? Number(seconds) * 1_000 : null;
};

export const spanName = (length) => SPANS.find(([, known]) => known === length)?.[0] ?? `${Math.max(1, Math.round(length / 1_000))}s`;

/** What an address asks for; null where it says nothing, or nothing that can be read. */
export const read = (hash) => {
  const text = hash.replace(/^#/, "");
  const cut = text.indexOf("?");
  const path = cut < 0 ? text : text.slice(0, cut);
  const wishes = new URLSearchParams(cut < 0 ? "" : text.slice(cut + 1));
  const [from, until] = [moment(wishes.get("from")), moment(wishes.get("until"))];
  const isRange = from !== null && until !== null && until > from;
  const names = (wishes.get("with") ?? "").split(",").filter((name) => name !== "");
  return {
    all: path === "/",
    name: path === "/" ? null : decoded(path) || null,
    window: wishes.get("window"),
    length: isRange ? until - from : spanLength(wishes.get("span")),
    until: isRange ? until : null,
    at: moment(wishes.get("at")),
    others: [...new Set(names)].slice(0, MOST_NAMES - 1),
    percent: wishes.get("as") === "percent",
    since: moment(wishes.get("since")),
    query: wishes.get("q") ?? "",
    sort: wishes.get("sort"),
    over: spanLength(wishes.get("over")),
  };
};

/** The address of what a page shows. */
export const write = (page) => {
  const part = (name, value) => (value === null || value === undefined || value === "" ? "" : `&${name}=${encodeURIComponent(value)}`);
  const window = `window=${encodeURIComponent(page.window ?? "")}`;
  if (page.all) return `#/?${window}${part("q", page.query)}${part("sort", page.sort)}${part("over", page.over === 3_600_000 ? null : spanName(page.over))}`;
  const range = page.until === null
    ? `&span=${spanName(page.length)}`
    : `&from=${Math.round(page.until - page.length)}&until=${Math.round(page.until)}`;
  const others = page.others.length > 0 ? `&with=${page.others.map(encodeURIComponent).join(",")}` : "";
  const percent = others && page.percent ? `&as=percent${part("since", page.since)}` : "";
  return `#${encodeURIComponent(page.name ?? "")}?${window}${range}${part("at", page.at)}${others}${percent}`;
};
