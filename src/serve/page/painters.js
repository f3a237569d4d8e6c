// What stands in the panels: the rate with its band, candles with their volume, and marks. Decimals become doubles
// here and nowhere else, since a pixel needs no more.

import { bucketShape, grouped } from "./history.js";
import { stage } from "./store.js";

export const number = (text) => (text === null || text === undefined ? NaN : Number(text));

const middle = (row, view) => view.shape.point(row);

/** Where a line goes through a row: in the middle of a window, at the end of a bucket. */
const through = (row, view) => (row.bucket ? view.shape.last(row) : view.shape.point(row));

/** Windows that overlap, from their start to their end: all that slide; of those that grow the chosen and the newest one. */
const extents = ({ context, x, y, view, colours }, rows) => {
  if (!view.shape.overlaps) return;
  const told = (row) => view.shape.slides || row.end_ms === (view.hover?.end_ms ?? view.newest);
  context.strokeStyle = colours.rate;
  context.lineWidth = 1;
  for (const row of rows.filter(told)) {
    const at = y(number(row.vwap));
    if (!Number.isFinite(at)) continue;
    context.globalAlpha = view.shape.grows || row.end_ms === view.hover?.end_ms ? 0.8 : 0.22;
    context.beginPath();
    context.moveTo(Math.max(-9, x(row.start_ms)), at);
    context.lineTo(x(row.end_ms), at);
    context.stroke();
  }
  context.globalAlpha = 1;
};

/** Strokes or fills by how far a window is: an open one is drawn with dashes and hollow. */
const dash = (context, row) => context.setLineDash(stage(row) === "provisional" ? [3, 3] : []);

/** What the windows of each bucket reach, from the least value to the greatest. */
export const extremes = ({ context, x, y, colours, view }, rows, colour = colours.band) => {
  context.fillStyle = colour;
  for (const row of rows) {
    if (!row.bucket || row.bucket.min === null) continue;
    const [left, right] = view.shape.slot(row).map(x);
    const [top, foot] = [y(number(row.bucket.max)), y(number(row.bucket.min))];
    context.fillRect(left, top, Math.max(1, right - left), Math.max(1, foot - top));
  }
};

/** Lines of several names, each with a colour and a dash of its own, so that colour is not all that tells. */
export const lines = (pane, each) => {
  const { context, x, y, view } = pane;
  for (const { rows, value, scale, colour, dashes } of each) {
    // What the windows of each bucket reach.
    context.fillStyle = colour;
    context.globalAlpha = 0.16;
    for (const row of scale ? rows : []) {
      if (!row.bucket || row.bucket.min === null) continue;
      const [top, foot] = [y(scale(number(row.bucket.max))), y(scale(number(row.bucket.min)))];
      context.fillRect(x(row.start_ms), top, Math.max(1, x(row.end_ms) - x(row.start_ms)), foot - top);
    }
    context.globalAlpha = 1;
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.setLineDash(dashes);
    context.beginPath();
    const alone = [];
    let [before, last, isAlone] = [null, null, false];
    for (const row of rows) {
      const at = value(row);
      if (!Number.isFinite(at)) {
        before = null;
        continue;
      }
      const [px, py] = [x(through(row, view)), y(at)];
      if (before && view.shape.follows(row, before)) {
        context.lineTo(px, py);
        isAlone = false;
      } else {
        if (isAlone) alone.push(last);
        context.moveTo(px, py);
        isAlone = true;
      }
      [before, last] = [row, [px, py]];
    }
    context.stroke();
    // One without neighbours is seen as well: names that seldom trade have many such.
    if (isAlone) alone.push(last);
    context.fillStyle = colour;
    for (const [px, py] of alone) {
      context.beginPath();
      context.arc(px, py, 2, 0, 2 * Math.PI);
      context.fill();
    }
  }
  context.setLineDash([]);
};

/** A difference around a line at nothing. */
export const basis = (pane, rows) => {
  const { context, y, sharp, right, colours } = pane;
  context.strokeStyle = colours.label;
  context.lineWidth = 1;
  context.setLineDash([2, 3]);
  context.beginPath();
  context.moveTo(0, sharp(y(0)));
  context.lineTo(right, sharp(y(0)));
  context.stroke();
  extremes(pane, rows);
  lines(pane, [{ rows, value: (row) => number(row.basis), colour: colours.rate, dashes: [] }]);
};

/** The rate as a line that breaks where there is none, with one standard deviation above and below. */
export const rate = (pane, rows, stats) => {
  const { context, x, y, view, colours, slot } = pane;
  const points = rows.map((row) => {
    const value = number(row.vwap);
    return { row, value, spread: row.vw_std, px: x(through(row, view)), py: y(value) };
  });
  const runs = [];
  points.forEach((point, place) => {
    const before = points[place - 1];
    const joined = before && Number.isFinite(before.value) && view.shape.follows(point.row, before.row);
    if (!Number.isFinite(point.value)) return;
    if (joined) runs.at(-1).push(point);
    else runs.push([point]);
  });
  context.fillStyle = colours.band;
  // Without a deviation there is no band: one of no height would say that there is none to see.
  for (const run of runs.flatMap(spreadRuns)) {
    context.beginPath();
    const edge = (point, sign) => y(point.value + sign * point.spread);
    if (run.length === 1) context.rect(run[0].px - slot * 0.35, edge(run[0], 1), slot * 0.7, edge(run[0], -1) - edge(run[0], 1));
    run.forEach((point) => context.lineTo(point.px, edge(point, 1)));
    [...run].reverse().forEach((point) => context.lineTo(point.px, edge(point, -1)));
    context.fill();
  }
  extremes(pane, rows);
  mean(pane, stats);
  extents(pane, rows);
  context.strokeStyle = colours.rate;
  context.lineJoin = "round";
  for (const run of runs) {
    for (let place = 1; place < run.length; place += 1) {
      context.lineWidth = 2;
      dash(context, run[place].row);
      context.beginPath();
      context.moveTo(run[place - 1].px, run[place - 1].py);
      context.lineTo(run[place].px, run[place].py);
      context.stroke();
    }
  }
  context.setLineDash([]);
  for (const run of runs) for (const point of run) if ((slot > 7 && !point.row.bucket) || (stage(point.row) !== "final" && slot > 2) || run.length === 1) dot(pane, point);
};

/** The pieces of a run that have a deviation. */
export const spreadRuns = (run) => {
  const pieces = [[]];
  for (const point of run) {
    if (point.spread === null) pieces.push([]);
    else pieces.at(-1).push(point);
  }
  return pieces.filter((piece) => piece.length > 0);
};

const mean = ({ context, x, y, view, colours }, stats) => {
  context.strokeStyle = colours.mean;
  context.lineWidth = 1.25;
  context.setLineDash([6, 4]);
  context.beginPath();
  stats.forEach((row) => context.lineTo(x(middle(row, view)), y(number(row.mean))));
  context.stroke();
  context.setLineDash([]);
};

const dot = ({ context, view, colours, slot }, { row, px, py }) => {
  const radius = Math.min(4, Math.max(2.5, slot / 5));
  const how = stage(row);
  context.beginPath();
  context.arc(px, py, radius, 0, 2 * Math.PI);
  context.fillStyle = how === "final" ? colours.rate : colours.panel;
  context.fill();
  context.strokeStyle = how === "provisional" ? colours.open : colours.rate;
  context.lineWidth = 1.5;
  if (how === "provisional") context.setLineDash([2, 2]);
  context.stroke();
  context.setLineDash([]);
  const flash = view.flash(row);
  if (flash < 1) {
    context.globalAlpha = 1 - flash;
    context.beginPath();
    context.arc(px, py, radius + flash * 14, 0, 2 * Math.PI);
    context.strokeStyle = colours.rate;
    context.lineWidth = 2;
    context.stroke();
    context.globalAlpha = 1;
  }
};

/** Candles narrower than this cannot be told apart. */
const NARROW = 4;

/** Candles of rows, of several windows each where one would be too narrow. */
export const readableCandles = (pane, rows) => {
  const { view, slot } = pane;
  if (slot >= NARROW || view.shape.overlaps) {
    candles(pane, rows);
    return;
  }
  const step = Math.ceil((NARROW + 1) / slot) * view.shape.step;
  const shape = bucketShape(step);
  candles({ ...pane, view: { ...view, shape }, slot: slot * (step / view.shape.step) }, grouped(rows, step));
};

/** Candles: hollow where the price rose, filled where it fell, so that colour is not all that tells. */
export const candles = (pane, rows) => {
  const { context, x, y, sharp, view, colours, slot, bottom } = pane;
  const most = Math.max(...rows.map((row) => number(row.volume)), 0);
  const body = Math.max(1, Math.min(22, slot * 0.66));
  for (const row of rows) {
    const at = x(middle(row, view));
    const [open, high, low, close] = [row.open, row.high, row.low, row.close].map((text) => y(number(text)));
    const how = stage(row);
    const rose = close <= open;
    const colour = rose ? colours.up : colours.down;
    context.globalAlpha = how === "provisional" ? 0.55 : 0.35;
    context.fillStyle = colours.volume;
    const tall = most > 0 ? (number(row.volume) / most) * bottom * 0.2 : 0;
    context.fillRect(at - body / 2, bottom - tall, body, tall);
    context.globalAlpha = 1;
    context.strokeStyle = how === "provisional" ? colours.open : colour;
    context.lineWidth = 1.25;
    dash(context, row);
    const [top, foot] = [Math.min(open, close), Math.max(open, close)];
    context.beginPath();
    context.moveTo(sharp(at), high);
    context.lineTo(sharp(at), top);
    context.moveTo(sharp(at), foot);
    context.lineTo(sharp(at), low);
    context.stroke();
    const tallness = Math.max(1.25, foot - top);
    context.fillStyle = rose ? colours.panel : colour;
    context.globalAlpha = how === "provisional" && !rose ? 0.35 : 1;
    context.fillRect(at - body / 2, top, body, tallness);
    context.globalAlpha = 1;
    if (slot > 3) context.strokeRect(at - body / 2, top, body, tallness);
    context.setLineDash([]);
  }
  if (slot > 5) vwap(pane, rows);
  extents(pane, rows);
};

const vwap = ({ context, x, y, view, colours }, rows) => {
  context.fillStyle = colours.rate;
  for (const row of rows) context.fillRect(x(middle(row, view)) - 3, y(number(row.vwap)) - 0.75, 6, 1.5);
};

/** Marks at the top: corrected windows; at the foot: trade ids that are missing. */
export const marks = ({ context, x, view, colours, bottom, slot }, rows) => {
  const size = Math.min(4.5, Math.max(2.5, slot / 3));
  for (const row of rows) {
    const at = x(middle(row, view));
    if (row.revision > 0) {
      context.fillStyle = colours.corrected;
      context.beginPath();
      context.moveTo(at, 6);
      context.lineTo(at + size, 6 + size * 1.3);
      context.lineTo(at, 6 + size * 2.6);
      context.lineTo(at - size, 6 + size * 1.3);
      context.fill();
    }
    if (row.closed && row.missing_ids) {
      context.fillStyle = colours.gap;
      context.fillRect(at - Math.max(2, slot * 0.33), bottom - 3, Math.max(4, slot * 0.66), 3);
    }
  }
};

/** Late records, where the frontier stood when they were refused. */
export const late = ({ context, x, view, colours, bottom }) => {
  context.fillStyle = colours.late;
  for (const at of view.late) {
    const px = x(at);
    context.beginPath();
    context.moveTo(px, bottom - 9);
    context.lineTo(px + 4.5, bottom);
    context.lineTo(px - 4.5, bottom);
    context.fill();
  }
};
