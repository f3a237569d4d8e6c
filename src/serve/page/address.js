// What the address says and how it is written:
//   #XVGUSDT?window=10s&span=15m                     the newest quarter of an hour, as it moves on
//   #XVGUSDT?window=10s&from=MS&until=MS&at=MS       that stretch of time, with the window that ends at MS held
//   #A?window=10s&span=1h&with=B,C&as=percent&since=MS
//   #/?window=10s&q=xvg&sort=change                  all names
// A name alone means a cross, and a symbol where no cross has that name; symbol:XVGUSDT is the pair that is traded though
// a cross is called so, cross:XVGUSDT never a pair. With the colon written as it is; in a name it is %3A.

import { decoded } from "./text.js";

export const SPANS = [["5m", 300_000], ["15m", 900_000], ["1h", 3_600_000], ["6h", 21_600_000], ["1d", 86_400_000], ["all", Infinity]];
/** What is shown where nothing is said. */
export const LENGTH = 900_000;
/** Names in one chart. */
export const MOST_NAMES = 6;

/** A name as an address has it, with the kind where that is told. */
export const refer = ({ kind, name }) => `${kind ? `${kind}:` : ""}${encodeURIComponent(name ?? "")}`;

/** The name, and the kind or null, that a part of an address stands for; null of what cannot be read. */
export const referred = (text) => {
  const [, kind, rest] = /^(?:(cross|symbol):)?(.*)$/s.exec(text);
  const name = decoded(rest);
  return name ? { kind: kind ?? null, name } : null;
};

const moment = (text) => (/^\d{1,13}$/.test(text ?? "") ? Number(text) : null);

/** The length of `15m`, `all` or `437s`; null of anything else. */
export const spanLength = (text) => {
  const known = SPANS.find(([span]) => span === text);
  if (known) return known[1];
  const [, seconds] = /^(\d{1,10})s$/.exec(text ?? "") ?? [];
  return Number(seconds) > 0 ? Number(seconds) * 1_000 : null;
};

export const spanName = (length) => SPANS.find(([, known]) => known === length)?.[0] ?? `${Math.max(1, Math.round(length / 1_000))}s`;

/** The names to compare with: commas between them, each as it is written. */
const compared = (query) => {
  const [, list = ""] = /(?:^|&)with=([^&]*)/.exec(query) ?? [];
  const refs = list.replaceAll("+", " ").split(/,|%2C/i).map(referred).filter(Boolean);
  return [...new Map(refs.map((ref) => [refer(ref), ref])).values()];
};

/** What an address asks for; null where it says nothing, or nothing that can be read: `unread` has that. */
export const read = (hash) => {
  const text = hash.replace(/^#/, "");
  const cut = text.indexOf("?");
  const path = cut < 0 ? text : text.slice(0, cut);
  const query = cut < 0 ? "" : text.slice(cut + 1);
  const wishes = new URLSearchParams(query);
  const [from, until] = [moment(wishes.get("from")), moment(wishes.get("until"))];
  const isRange = from !== null && until !== null && until > from;
  const main = path === "/" ? null : referred(path);
  const names = compared(query);
  const unread = (name, value) => (wishes.has(name) && value === null ? [`${name}=${wishes.get(name)}`] : []);
  const range = ["from", "until"].flatMap((name) => unread(name, isRange ? from : null));
  const numbers = ["at", "since"].flatMap((name) => unread(name, moment(wishes.get(name))));
  const lengths = ["span", "over"].flatMap((name) => unread(name, spanLength(wishes.get(name))));
  return {
    all: path === "/",
    name: main?.name ?? null,
    kind: main?.kind ?? null,
    window: wishes.get("window"),
    length: isRange ? until - from : spanLength(wishes.get("span")),
    until: isRange ? until : null,
    at: moment(wishes.get("at")),
    others: names.slice(0, MOST_NAMES - 1),
    more: names.slice(MOST_NAMES - 1),
    percent: wishes.get("as") === "percent",
    since: moment(wishes.get("since")),
    query: wishes.get("q") ?? "",
    sort: wishes.get("sort"),
    over: spanLength(wishes.get("over")),
    unread: [...(path !== "/" && path !== "" && !main ? [path] : []), ...range, ...lengths, ...numbers],
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
  const others = page.others.length > 0 ? `&with=${page.others.map(refer).join(",")}` : "";
  const percent = others && page.percent ? `&as=percent${part("since", page.since)}` : "";
  return `#${refer(page)}?${window}${range}${part("at", page.at)}${others}${percent}`;
};
