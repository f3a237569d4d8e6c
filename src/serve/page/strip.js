// The range picker: all that the server keeps of a name as a thin line, with the stretch that is seen upon it; and two
// fields for the same, for those who know the moment or do not see the line.

import { palette } from "./chart.js";
import { number } from "./painters.js";
import { dayStarts, linear, room } from "./scale.js";
import { field, offset, unfield, zone } from "./text.js";

const HEIGHT = 44;
/** Pixels around an edge at which it can be taken. */
const EDGE = 9;
const BUCKETS = 400;
const AGAIN = 20_000;

export class Strip {
  constructor(page, timeline, ask) {
    Object.assign(this, { page, timeline, ask, buckets: [], asked: -Infinity, key: null });
    this.canvas = document.getElementById("strip");
    this.from = document.getElementById("from");
    this.until = document.getElementById("until");
    this.form = document.getElementById("range");
    this.pointing();
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.wished();
    });
    this.from.addEventListener("change", () => this.wished());
    this.until.addEventListener("change", () => this.wished());
  }

  /** What is drawn of all that is kept. */
  async load() {
    const { page } = this;
    const [kind, name] = page.series[0] ?? [];
    if (!kind || page.all) return;
    const key = `${kind} ${name} ${page.window}`;
    if (key !== this.key) [this.key, this.buckets, this.asked] = [key, [], -Infinity];
    const extent = this.timeline.extent();
    const often = extent ? Math.min(AGAIN, Math.max(2_000, (extent.last - extent.first) / 100)) : AGAIN;
    if (performance.now() - this.asked < often || !page.isThere(kind, name)) return;
    this.asked = performance.now();
    const path = `/v1/series?kind=${kind}&name=${encodeURIComponent(name)}&window=${encodeURIComponent(page.window)}&buckets=${BUCKETS}`;
    const answer = await this.ask(path).catch(() => null);
    if (!answer || key !== this.key) return;
    this.buckets = answer.buckets;
    this.draw();
  }

  draw() {
    const range = this.timeline.range();
    if (!range || this.page.all) return;
    this.load();
    const { canvas } = this;
    const { first, last, x0, x1 } = range;
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    if (width === 0) return;
    const [wide, high] = [Math.round(width * ratio), Math.round(HEIGHT * ratio)];
    if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, HEIGHT);
    const colours = palette();
    const end = Math.max(last + this.page.shape.step, first + 16 * this.page.shape.step);
    const x = linear(first, end, 0, width);
    this.plot = { first, end, width };
    context.strokeStyle = colours.grid;
    context.beginPath();
    for (const start of dayStarts(first, end, offset)) {
      context.moveTo(x(start), 0);
      context.lineTo(x(start), HEIGHT);
    }
    context.stroke();
    const values = room(this.buckets.flatMap((bucket) => [number(bucket.min), number(bucket.max)]));
    if (values) {
      const y = linear(...values, HEIGHT - 4, 4);
      context.fillStyle = colours.rate;
      for (const bucket of this.buckets) {
        if (bucket.min === null) continue;
        // Where windows are longer than buckets, as long as they are.
        const left = x(Math.min(bucket.start_ms, bucket.end_ms - this.page.shape.step));
        const [top, foot] = [y(number(bucket.max)), y(number(bucket.min))];
        context.fillRect(left, top - 0.5, Math.max(1, x(bucket.end_ms) - left), Math.max(1.2, foot - top));
      }
    }
    const [left, right] = [Math.max(0, x(x0)), Math.min(width, Math.max(x(x1), x(x0) + 4))];
    context.fillStyle = colours.cross;
    context.globalAlpha = 0.16;
    context.fillRect(0, 0, left, HEIGHT);
    context.fillRect(right, 0, width - right, HEIGHT);
    context.globalAlpha = 1;
    context.strokeStyle = colours.rate;
    context.lineWidth = 1.5;
    context.strokeRect(left + 0.75, 0.75, Math.max(2, right - left - 1.5), HEIGHT - 1.5);
    this.fields(x0, x1, first, end);
  }

  fields(x0, x1, first, end) {
    for (const [input, at] of [[this.from, x0], [this.until, x1]]) {
      if (document.activeElement === input) continue;
      const value = field(Math.round(at / 1_000) * 1_000);
      // A browser leaves seconds out that are none.
      if (`${input.value}${input.value.length === 16 ? ":00" : ""}` !== value) input.value = value;
    }
    const told = zone();
    const label = document.getElementById("range-zone");
    if (label.textContent !== told) label.textContent = told;
    this.form.title = `kept: ${field(first).replace("T", " ")} to ${field(end).replace("T", " ")} ${told}`;
  }

  wished() {
    const [from, until] = [this.from, this.until].map((input) => unfield(input.value));
    const isRange = from !== null && until !== null && from < until;
    this.until.setCustomValidity(isRange ? "" : "The end must be after the beginning.");
    if (!isRange) {
      this.until.reportValidity();
      return;
    }
    this.timeline.set(from, until);
  }

  pointing() {
    const { canvas } = this;
    const moment = (clientX) => {
      const { first, end, width } = this.plot;
      return first + ((clientX - canvas.getBoundingClientRect().left) / width) * (end - first);
    };
    const grip = (clientX) => {
      const { x0, x1 } = this.timeline.range();
      const { first, end, width } = this.plot;
      const at = clientX - canvas.getBoundingClientRect().left;
      const [left, right] = [x0, x1].map((time) => ((time - first) / (end - first)) * width);
      if (Math.abs(at - left) <= EDGE && left > 1) return "from";
      if (Math.abs(at - right) <= EDGE) return "until";
      // Where all is seen there is nothing to move: a drag chooses a stretch.
      if (left <= 1 && right >= width - 1) return "part";
      return at > left && at < right ? "whole" : "there";
    };
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (!this.plot || event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      const range = this.timeline.range();
      const how = grip(event.clientX);
      held = { how, at: moment(event.clientX), ...range };
      if (how === "there") {
        const half = (range.x1 - range.x0) / 2;
        this.timeline.set(held.at - half, held.at + half);
        held = { how: "whole", at: held.at, ...this.timeline.range() };
      }
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.plot) return;
      if (!held) {
        canvas.style.cursor = { from: "ew-resize", until: "ew-resize", whole: "grab", part: "crosshair", there: "pointer" }[grip(event.clientX)];
        return;
      }
      const at = moment(event.clientX);
      if (held.how === "from") this.timeline.set(Math.min(at, held.x1), held.x1);
      else if (held.how === "until") this.timeline.set(held.x0, Math.max(at, held.x0));
      else if (held.how === "part") this.timeline.set(Math.min(at, held.at), Math.max(at, held.at));
      else this.timeline.set(held.x0 + at - held.at, held.x1 + at - held.at);
    });
    const drop = () => {
      held = null;
    };
    canvas.addEventListener("pointerup", drop);
    canvas.addEventListener("pointercancel", drop);
  }
}
