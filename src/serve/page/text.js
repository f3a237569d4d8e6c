// Times and numbers for people. Values stay the texts that they are: only their parts are set apart.

/** Whether times are those of this browser's place, and not UTC. */
let local = false;

export const setLocal = (is) => {
  local = is;
};

/** How far the clocks that are shown are ahead of UTC at a moment, in milliseconds. */
export const offset = (ms) => (local ? -new Date(ms).getTimezoneOffset() * 60_000 : 0);

/** The name of the time that is shown. */
export const zone = () => (local ? Intl.DateTimeFormat().resolvedOptions().timeZone || "local time" : "UTC");

const text = (ms) => new Date(ms + offset(ms)).toISOString();

/** 12:34:56, and .789 where asked. */
export const clock = (ms, fine = false) => text(ms).slice(11, fine ? 23 : 19);

/** 2018-05-01 */
export const day = (ms) => text(ms).slice(0, 10);

/** 2018-05-01 12:34:56 */
export const instant = (ms) => `${day(ms)} ${clock(ms)}`;

/** 2018-05-01T12:34:56, as a field for times wants it, and back. */
export const field = (ms) => text(ms).slice(0, 19);
export const unfield = (value) => {
  const at = Date.parse(`${value}Z`);
  return Number.isFinite(at) ? at - offset(at - offset(at)) : null;
};

const minute = (ms) => instant(ms).slice(0, -3);

/** A window's times; the days only where it is as long as one. */
export const span = ({ start_ms, end_ms }) => {
  if (start_ms === 0) return `the beginning–${clock(end_ms)}`;
  if (end_ms - start_ms >= 86_400_000) return `${minute(start_ms)}–${minute(end_ms)}`;
  return `${clock(start_ms)}–${clock(end_ms)}`;
};

/** A window's times with its day, which stands apart. */
export const dated = (row) => {
  if (row.end_ms - row.start_ms >= 86_400_000 && row.start_ms !== 0) return [span(row)];
  const of = document.createElement("span");
  of.className = "day";
  of.textContent = `${dayOf(row)} `;
  return row.start_ms === 0 ? [`${span(row).slice(0, -8)}`, of, clock(row.end_ms)] : [of, span(row)];
};

/** A window's start; of what began with the first trade, its end. */
export const moment = ({ start_ms, end_ms }) => (start_ms === 0 ? `until ${clock(end_ms)}` : clock(start_ms));

/** The day of a window's start; of what began with the first trade, of its end. */
export const dayOf = ({ start_ms, end_ms }) => day(start_ms === 0 ? end_ms : start_ms);

/** A window's times with its day, as one text. */
export const whole = (row) => dated(row).map((part) => part.textContent ?? part).join("");

/** 1 234 567 with narrow blanks. */
export const grouped = (number) => String(number).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");

/** 250 ms, 1.2 s, 3 min 0 s, 2 h 5 min: rounded as a whole, so that no part becomes sixty. */
export const duration = (ms) => {
  const [tenths, seconds, minutes] = [100, 1_000, 60_000].map((unit) => Math.round(ms / unit));
  if (Math.round(ms) < 1_000) return `${Math.round(ms)} ms`;
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

/** What a part of an address stands for; null where it is none. */
export const decoded = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
};

/** Where the seventh significant digit of a decimal text ends. */
const significant = (text, digits) => {
  let seen = 0;
  for (let place = 0; place < text.length; place += 1) {
    const digit = text[place] >= "0" && text[place] <= "9";
    if (digit && (seen > 0 || text[place] !== "0")) seen += 1;
    // Digits before the point are never cut.
    if (seen >= digits && text.slice(0, place + 1).includes(".")) return place + 1;
  }
  return text.length;
};

/** A decimal text in its full length: the digits that matter at a glance, and the rest set back. */
export const exact = (text, digits = 7) => {
  const whole = document.createElement("span");
  whole.className = "exact";
  if (text === null || text === undefined) {
    whole.textContent = "no rate";
    whole.classList.add("none");
    return whole;
  }
  const cut = significant(text, digits);
  const rest = document.createElement("span");
  rest.className = "rest";
  rest.textContent = text.slice(cut);
  whole.append(text.slice(0, cut), rest);
  return whole;
};

/** The digits of a decimal text that matter at a glance. */
export const brief = (text, digits = 7) => (text === null || text === undefined ? "no rate" : text.slice(0, significant(text, digits)).replace(/\.$/, ""));

/** A decimal text without the zeros at its end. */
export const plain = (text) => (text === null ? "–" : text.includes(".") ? text.replace(/\.?0+$/, "") : text);

/** Per cent with its sign: +1.23 %. */
export const percent = (share) => {
  if (!Number.isFinite(share)) return "–";
  const places = Math.abs(share) >= 0.1 ? 1 : Math.abs(share) >= 0.001 ? 2 : 3;
  const rounded = (share * 100).toFixed(places);
  return `${share > 0 ? "+" : ""}${rounded === (-0).toFixed(places) ? (0).toFixed(places) : rounded.replace("-", "−")}\u202f%`;
};

/** 1 trade, 2 trades */
export const counted = (number, what) => `${grouped(number)} ${what}${number === 1 ? "" : "s"}`;

/** A double: four significant digits. */
export const deviation = (number) => {
  if (number === null || number === undefined) return "–";
  if (number === 0) return "0";
  const size = Math.abs(number);
  return size >= 0.000_001 && size < 1e7 ? Number(number.toPrecision(4)).toFixed(Math.max(0, 3 - Math.floor(Math.log10(size)))) : number.toExponential(3);
};
