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
  // One label tells no scale: there are two at least.
  const holds = (size) => Math.floor(to / size + 1e-9) > Math.ceil(from / size - 1e-9);
  const sizes = [0.1, 0.2, 0.25, 0.5, 1, 2, 2.5, 5, 10].map((factor) => factor * power);
  const fits = sizes.findIndex((size) => size >= rough * 0.999);
  const step = sizes.slice(0, fits + 1).findLast(holds) ?? sizes[0];
  const places = Math.min(18, Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + ([0.25, 2.5].some((factor) => Math.abs(step / power - factor) < 1e-9) ? 1 : 0)));
  const values = [];
  for (let nth = Math.ceil(from / step - 1e-9); nth * step <= to + step * 1e-9; nth += 1) values.push(nth * step);
  return { values, places };
};

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400].map((seconds) => seconds * 1_000);

const DAY = 86_400_000;

/** Round times within a range, about so many; `offset(ms)` is how far the clocks that are shown are ahead of UTC. */
export const timeTicks = (from, to, about, offset = () => 0) => {
  const rough = (to - from) / Math.max(1, about);
  const ahead = offset(from);
  const holds = (size) => Math.floor((to + ahead) / size) > Math.ceil((from + ahead) / size);
  const fits = STEPS.findIndex((candidate) => candidate >= rough);
  const step = fits < 0 ? Math.ceil(rough / DAY) * DAY : STEPS.slice(0, fits + 1).findLast(holds) ?? STEPS[0];
  const values = [];
  for (let shown = Math.ceil((from + ahead) / step) * step; ; shown += step) {
    // Where clocks are set in between, ticks stay round.
    const at = shown - offset(shown - ahead);
    if (at > to) break;
    if (at >= from && at !== values.at(-1)) values.push(at);
  }
  return { values, fine: step < 60_000, days: step >= DAY };
};

/** The days that begin within a range. */
export const dayStarts = (from, to, offset = () => 0) => {
  const starts = [];
  if (to - from > 400 * DAY) return starts;
  const ahead = offset(from);
  for (let shown = Math.ceil((from + ahead) / DAY) * DAY; shown - ahead <= to + DAY; shown += DAY) {
    const at = shown - offset(shown - ahead);
    if (at >= from && at <= to) starts.push(at);
  }
  return starts;
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
