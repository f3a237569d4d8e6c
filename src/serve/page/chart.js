// One panel: a canvas with a grid, what a painter draws into it, the frontier and the crosshair. Sharp on any screen.

import { dayStarts, linear, ticks, timeTicks } from "./scale.js";
import { clock, day, offset } from "./text.js";

const COLOURS = ["rate", "band", "mean", "up", "down", "grid", "label", "open", "missing", "corrected", "late", "gap", "frontier", "cross", "panel", "volume", "one", "two", "three", "four", "five", "six"];

/** The colours that hold, from the style sheet. */
export const palette = () => {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
};

const FONT = "11px ui-sans-serif, system-ui, sans-serif";

export class Panel {
  /** `painter(pane)` draws; `domain(view)` tells the range of values, or null where there are none. */
  constructor(host, { painter, domain, height, axis, unit = "" }) {
    Object.assign(this, { painter, domain, height, axis, unit });
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    host.append(this.canvas);
    this.host = host;
  }

  /** How wide the labels of values must be. */
  measure(view) {
    const range = this.domain(view);
    this.range = range;
    if (!range) return 0;
    this.grid = ticks(...range, Math.max(2, Math.floor(this.height / 44)));
    const context = this.canvas.getContext("2d");
    context.font = FONT;
    return Math.max(...this.grid.values.map((value) => context.measureText(this.label(value)).width));
  }

  label(value) {
    return `${value.toFixed(this.grid.places)}${this.unit}`;
  }

  draw(view, colours, gutter) {
    const width = this.canvas.clientWidth;
    const height = this.height + (this.axis ? 22 : 0);
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== wide || this.canvas.height !== high) [this.canvas.width, this.canvas.height] = [wide, high];
    this.canvas.style.height = `${height}px`;
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = FONT;
    const right = width - gutter - 14;
    const x = linear(view.x0, view.x1, 1, right);
    this.plot = { left: 1, right, x, invert: (px) => view.x0 + ((px - 1) / (right - 1)) * (view.x1 - view.x0) };
    const range = this.range;
    const y = range ? linear(range[0], range[1], this.height - 6, 8) : () => this.height / 2;
    // A pixel of the screen, so that thin lines are one of them and not two half ones.
    const sharp = (at) => (Math.round(at * ratio) + 0.5) / ratio;
    const pane = { context, x, y, sharp, view, colours, left: 1, right, top: 0, bottom: this.height, slot: Math.max(1, x(view.slide) - x(0)), thin: 1 / ratio };
    this.lines(pane);
    this.days(pane);
    context.save();
    context.beginPath();
    context.rect(0, 0, right + 1, this.height);
    context.clip();
    this.shade(pane);
    this.painter(pane);
    this.frontier(pane);
    this.crosshair(pane);
    context.restore();
    if (this.axis) this.times(pane, height);
  }

  lines({ context, y, sharp, colours, right, thin }) {
    if (!this.range) return;
    context.strokeStyle = colours.grid;
    context.fillStyle = colours.label;
    context.lineWidth = thin;
    context.textBaseline = "middle";
    context.textAlign = "left";
    for (const value of this.grid.values) {
      const at = sharp(y(value));
      context.beginPath();
      context.moveTo(0, at);
      context.lineTo(right, at);
      context.stroke();
      context.fillText(this.label(value), right + 7, Math.min(Math.max(at, 7), this.height - 6));
    }
  }

  /** A line where a day begins. */
  days({ context, x, sharp, view, colours, right, bottom, thin }) {
    context.strokeStyle = colours.grid;
    context.lineWidth = Math.max(1, thin);
    const starts = dayStarts(view.x0, view.x1, offset);
    if (starts.length > right / 12) return;
    context.beginPath();
    for (const start of starts) {
      context.moveTo(sharp(x(start)), 0);
      context.lineTo(sharp(x(start)), bottom);
    }
    context.stroke();
  }

  /** Windows that are open, and those where something is missing. */
  shade({ context, x, view, colours, bottom }) {
    for (const { from, to, kind } of view.shades(this)) {
      const [left, right] = [x(from), x(to)];
      if (kind === "open") {
        context.fillStyle = colours.open;
        context.globalAlpha = 0.09;
        context.fillRect(left, 0, right - left, bottom);
        context.globalAlpha = 1;
      } else if (kind === "some") {
        // Of a bucket some windows have no value.
        context.fillStyle = colours.missing;
        context.globalAlpha = 0.55;
        context.fillRect(left, bottom - 3, right - left, 3);
        context.globalAlpha = 1;
      } else {
        hatch(context, left, right, bottom, colours.missing);
      }
    }
  }

  frontier({ context, x, sharp, view, colours, bottom, thin }) {
    if (!view.frontier || view.frontier < view.x0 || view.frontier > view.x1) return;
    const at = sharp(x(view.frontier));
    context.strokeStyle = colours.frontier;
    context.lineWidth = Math.max(1, thin);
    context.setLineDash([2, 3]);
    context.beginPath();
    context.moveTo(at, 0);
    context.lineTo(at, bottom);
    context.stroke();
    context.setLineDash([]);
    if (view.front === this) {
      context.fillStyle = colours.frontier;
      context.textBaseline = "top";
      const fits = at > 54;
      context.textAlign = fits ? "right" : "left";
      context.fillText("frontier", fits ? at - 5 : at + 5, 3);
    }
  }

  crosshair({ context, x, y, sharp, view, colours, right, bottom, thin }) {
    if (!view.hover) return;
    const at = sharp(x(view.shape.point(view.hover)));
    if (view.shape.overlaps) {
      // All of the window, which others cover too.
      const left = Math.max(0, x(view.hover.start_ms));
      context.fillStyle = colours.cross;
      context.globalAlpha = 0.08;
      context.fillRect(left, 0, x(view.hover.end_ms) - left, bottom);
      context.globalAlpha = 1;
    }
    context.strokeStyle = colours.cross;
    context.lineWidth = thin;
    context.setLineDash([4, 3]);
    context.beginPath();
    context.moveTo(at, 0);
    context.lineTo(at, bottom);
    const value = this.range && view.hovered(this);
    if (Number.isFinite(value)) {
      context.moveTo(0, sharp(y(value)));
      context.lineTo(right, sharp(y(value)));
    }
    context.stroke();
    context.setLineDash([]);
  }

  /** Times below the axis; where a day begins, and at the first of them, the day. */
  times({ context, x, view, colours, right }, height) {
    const { values, fine, days } = timeTicks(view.x0, view.x1, Math.max(2, Math.floor(right / 96)), offset);
    context.fillStyle = colours.label;
    context.textBaseline = "alphabetic";
    context.textAlign = "center";
    let taken = -Infinity;
    const put = (at, text, isDay) => {
      context.font = isDay ? `600 ${FONT}` : FONT;
      const half = context.measureText(text).width / 2;
      const middle = Math.min(Math.max(at, half + 1), right + 30 - half);
      if (Math.abs(middle - at) > half || middle - half < taken + 8) return;
      context.fillText(text, middle, height - 6);
      taken = middle + half;
    };
    let before = null;
    for (const value of values) {
      const of = day(value);
      const time = clock(value).slice(0, fine ? 8 : 5);
      if (days) put(x(value), before?.slice(0, 4) === of.slice(0, 4) ? of.slice(5) : of, before?.slice(0, 4) !== of.slice(0, 4));
      else if (before === null) put(x(value), `${of} ${time}`, true);
      else put(x(value), before === of ? time : of, before !== of);
      before = of;
    }
    context.font = FONT;
  }
}

const hatch = (context, left, right, bottom, colour) => {
  context.save();
  context.beginPath();
  context.rect(left, 0, right - left, bottom);
  context.clip();
  context.fillStyle = colour;
  context.globalAlpha = 0.07;
  context.fillRect(left, 0, right - left, bottom);
  context.globalAlpha = 0.35;
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  for (let at = left - bottom; at < right; at += 7) {
    context.moveTo(at, bottom);
    context.lineTo(at + bottom, 0);
  }
  context.stroke();
  context.restore();
};
