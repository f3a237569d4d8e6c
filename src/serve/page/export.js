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
  return `${[page.name, ...page.others].join("_")}_${page.window}_${time(x0)}Z_${time(x1)}Z.${kind}`.replaceAll(/[^\w.@+-]/g, "-");
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

/** All panels below each other, with what stands above each. */
export const picture = (page, charts) => {
  const ratio = window.devicePixelRatio || 1;
  const figures = charts.panels.map((panel) => ({ canvas: panel.canvas, text: panel.canvas.parentElement.querySelector("figcaption").innerText.replace(/\s*\n\s*/g, "  ") }));
  const [width, head] = [Math.max(...figures.map(({ canvas }) => canvas.width)), 24 * ratio];
  const whole = document.createElement("canvas");
  whole.width = width;
  whole.height = figures.reduce((sum, { canvas }) => sum + canvas.height + head, 0);
  const context = whole.getContext("2d");
  context.fillStyle = palette().panel;
  context.fillRect(0, 0, whole.width, whole.height);
  context.textBaseline = "middle";
  context.font = `${12 * ratio}px ui-sans-serif, system-ui, sans-serif`;
  let top = 0;
  for (const { canvas, text } of figures) {
    context.fillStyle = palette().label;
    context.fillText(text, 6 * ratio, top + head / 2, width - 12 * ratio);
    context.drawImage(canvas, 0, top + head);
    top += head + canvas.height;
  }
  return whole;
};

export const savePng = (page, charts) => {
  if (!charts.last) return;
  picture(page, charts).toBlob((blob) => blob && save(blob, fileName(page, charts.last, "png")), "image/png");
};
