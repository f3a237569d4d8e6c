// What is seen, to take away: rows as CSV, with the exact texts that they have, and the charts as a picture.

import { palette } from "./chart.js";

/** What spreadsheets take for a formula, and run; not numbers, of which the exact ones are texts here. */
const isFormula = (text) => /^[=+\-@＝＋－＠\p{Cc}]/u.test(text) && !/^-\d+(\.\d+)?$/.test(text);

/** A cell, as the program's own files have it: an apostrophe tells spreadsheets that a text is no formula. */
const quoted = (value) => {
  const plain = value === null || value === undefined ? "" : String(value);
  const text = typeof value === "string" && isFormula(value) ? `'${value}` : plain;
  return /[",'\p{Cc}]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** A row's or a bucket's fields, each a value of its own. */
const flat = (row) => {
  if (row.bucket) {
    const { candle, ...bucket } = row.bucket;
    return { kind: row.kind, name: row.name, ...bucket, ...(candle ?? {}) };
  }
  const { legs, ...rest } = row;
  const paths = legs?.map((leg) => `${leg.inverse ? "/" : "*"}${leg.symbol}=${leg.vwap ?? ""}`).join(" ");
  return legs ? { ...rest, legs: paths } : rest;
};

/** Rows as CSV (RFC 4180): a column for each field that any of them has. */
export const csv = (rows) => {
  const all = rows.map(flat);
  const columns = [...new Set(all.flatMap((row) => Object.keys(row)))];
  return `${[columns, ...all.map((row) => columns.map((column) => row[column]))].map((line) => line.map(quoted).join(",")).join("\r\n")}\r\n`;
};

const save = (blob, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
};

const fileName = (page, { x0, x1 }, kind) => {
  const time = (ms) => new Date(ms).toISOString().slice(0, 19).replaceAll(":", "");
  return `${[page, ...page.others].map(page.told).join("_")}_${page.window}_${time(x0)}Z_${time(x1)}Z.${kind}`.replaceAll(/[^\w.@+-]/g, "-");
};

/** The rows between the edges of the charts, those of the first panel before the others. */
export const seen = (page, charts) => {
  const { x0, x1 } = charts.last;
  const inside = (row) => row.end_ms > x0 && row.start_ms < x1;
  return page.series.flatMap(([kind, name]) => charts.stretch.rows(kind, name).filter(inside));
};

export const saveCsv = (page, charts) => {
  if (!charts.last) return;
  save(new Blob([csv(seen(page, charts))], { type: "text/csv" }), fileName(page, charts.last, "csv"));
};

/** Pixels of a line that stands before a name, and of what is between two parts of a head. */
const [SWATCH, GAP, LINE, EDGE] = [36, 14, 20, 8];

/** Where the parts of a head stand, in lines so wide; `wide(text)` measures. A part goes on in the next line at a blank. */
export const lay = (parts, room, wide) => {
  const placed = [];
  let [x, line] = [0, 0];
  for (const { text, key } of parts) {
    const lead = key ? SWATCH + 6 : 0;
    if (x > 0 && x + lead + wide(text) > room) [x, line] = [0, line + 1];
    const put = (words, first) => placed.push({ x, line, words: words.join(" "), lead: first ? lead : 0, key: first ? key : undefined });
    let [words, first] = [[], true];
    for (const word of text.split(" ")) {
      if (words.length > 0 && x + (first ? lead : 0) + wide([...words, word].join(" ")) > room) {
        put(words, first);
        [words, first, x, line] = [[], false, 0, line + 1];
      }
      words.push(word);
    }
    put(words, first);
    x += (first ? lead : 0) + wide(words.join(" ")) + GAP;
  }
  return { placed, lines: line + 1 };
};

/** What stands above a panel, part by part; before a name that has a line in the chart, that line. */
const head = ({ canvas, keys = [] }) => {
  const [title, legend] = canvas.parentElement.querySelector("figcaption").children;
  const parts = legend.children.length > 0 ? [...legend.children] : [legend];
  const texts = [title, ...parts].map((part) => part.textContent.replace(/\s+/g, " ").trim());
  return texts.map((text, nth) => ({ text, key: keys[nth - 1] })).filter(({ text }) => text !== "");
};

/** All panels below each other, with what stands above each. */
export const picture = (page, charts) => {
  const ratio = window.devicePixelRatio || 1;
  const whole = document.createElement("canvas");
  const context = whole.getContext("2d");
  const font = `${12 * ratio}px ui-sans-serif, system-ui, sans-serif`;
  context.font = font;
  const wide = (text) => context.measureText(text).width / ratio;
  const width = Math.max(...charts.panels.map(({ canvas }) => canvas.width));
  const figures = charts.panels.map((panel) => ({ canvas: panel.canvas, ...lay(head(panel), width / ratio - 2 * EDGE, wide) }));
  const tall = ({ lines }) => (lines * LINE + 4) * ratio;
  whole.width = width;
  whole.height = figures.reduce((sum, figure) => sum + figure.canvas.height + tall(figure), 0);
  const colours = palette();
  context.fillStyle = colours.panel;
  context.fillRect(0, 0, whole.width, whole.height);
  context.textBaseline = "middle";
  // A new size has made all settings the first ones again.
  context.font = font;
  context.lineWidth = 2 * ratio;
  let top = 0;
  for (const figure of figures) {
    for (const { x, line, words, lead, key } of figure.placed) {
      const [left, middle] = [(EDGE + x) * ratio, top + (line + 0.5) * LINE * ratio + 2 * ratio];
      context.fillStyle = colours.label;
      context.fillText(words, left + lead * ratio, middle, width - left - lead * ratio);
      if (!key) continue;
      context.strokeStyle = colours[key.colour];
      context.setLineDash(key.dashes.map((dash) => dash * ratio));
      context.beginPath();
      context.moveTo(left, middle);
      context.lineTo(left + SWATCH * ratio, middle);
      context.stroke();
    }
    context.drawImage(figure.canvas, 0, top + tall(figure));
    top += tall(figure) + figure.canvas.height;
  }
  return whole;
};

export const savePng = (page, charts) => {
  if (!charts.last) return;
  picture(page, charts).toBlob((blob) => blob && save(blob, fileName(page, charts.last, "png")), "image/png");
};
