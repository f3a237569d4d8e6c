// From values to pixels, and where lines of a grid stand well.

export const linear = (from, to, start, end) => {
  const factor = to === from ? 0 : (end - start) / (to - from);
  return (value) => start + (value - from) * factor;
};

/** Round values within a range, about so many, with as many decimals as they need. */
export const ticks = (from, to, about) => {
  const rough = (to - from) / Math.max(1, about);
  if (!(rough > 0)) return { values: [from], places: 0 };
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const places = Math.min(18, Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (Math.abs(step / power - 2.5) < 1e-9 ? 1 : 0)));
  const values = [];
  for (let nth = Math.ceil(from / step - 1e-9); nth * step <= to + step * 1e-9; nth += 1) values.push(nth * step);
  return { values, places };
};

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400].map((seconds) => seconds * 1_000);

/** Round times within a range, about so many. */
export const timeTicks = (from, to, about) => {
  const rough = (to - from) / Math.max(1, about);
  const step = STEPS.find((candidate) => candidate >= rough) ?? Math.ceil(rough / 86_400_000) * 86_400_000;
  const values = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) values.push(at);
  return { values, fine: step < 60_000, days: step >= 86_400_000 };
};

/** The least and greatest of some values, with room above and below. */
export const room = (values, share = 0.08) => {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
  }
  if (low > high) return null;
  const margin = high > low ? (high - low) * share : Math.abs(high) * 0.001 || 1;
  return [low - margin, high + margin];
};
