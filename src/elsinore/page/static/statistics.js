// Statistics over seeds.

const RESAMPLES = 1000;

/** Carry the last value forward over missing ones at the indices `from` to `to`. */
export function filled(values, [from, to] = [0, Infinity]) {
  let last = null;
  return values.map((value, i) => (last = value ?? (from <= i && i <= to ? last : null)));
}

/** Whether a stopped seed keeps its last value: its policy is still what was evaluated, but it has no losses any more. */
export function outlivesItsSeed(metric) {
  return metric.startsWith("eval/");
}

/** A bias-corrected exponential moving average that skips missing values. */
export function smoothed(values, weight) {
  if (!weight) return values;
  let total = 0, mass = 0;
  return values.map((value) => {
    if (value === null) return null;
    total = weight * total + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return total / mass;
  });
}

/** The mean over seeds at each point, {mean, low, high}: low and high are its interval, or the range of the seeds.
    `carried` has for each seed the indices at which a missing value is its last. */
export function overSeeds(columns, withInterval, carried = []) {
  const all = columns.map((values, i) => filled(values, carried[i]));
  const out = { mean: [], low: [], high: [] };
  for (let i = 0; i < (all[0]?.length ?? 0); i++) {
    const { mean, low, high } = summary(all.map((values) => values[i]), withInterval);
    out.mean.push(mean);
    out.low.push(low);
    out.high.push(high);
  }
  return out;
}

/** The mean with its 95 % bootstrap interval, or with the minimum and maximum; null without enough values. */
export function summary(values, withInterval = true) {
  const known = values.filter((value) => value !== null);
  if (!known.length) return { mean: null, low: null, high: null };
  const mean = known.reduce((a, b) => a + b, 0) / known.length;
  if (known.length < 2) return { mean, low: null, high: null };
  const [low, high] = withInterval ? bootstrap(known) : [Math.min(...known), Math.max(...known)];
  return { mean, low, high };
}

/** A 95 % percentile bootstrap interval of the mean, with the same resamples every time. */
function bootstrap(values) {
  const n = values.length;
  const means = new Float64Array(RESAMPLES);
  const drawn = draws(n);
  for (let i = 0; i < RESAMPLES; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += values[drawn[i * n + j]];
    means[i] = sum / n;
  }
  means.sort();
  return [means[Math.floor(0.025 * (RESAMPLES - 1))], means[Math.ceil(0.975 * (RESAMPLES - 1))]];
}

const known = new Map(); // number of seeds -> the indices of all resamples

function draws(n) {
  if (!known.has(n)) {
    let state = n; // Park and Miller's generator: the same on every machine
    const next = () => (state = (state * 48271) % 2147483647);
    for (let i = 0; i < 100; i++) next();
    known.set(n, Uint16Array.from({ length: RESAMPLES * n }, () => next() % n));
  }
  return known.get(n);
}

/** The minimum and maximum over seeds at each point. */
export function envelope(curve) {
  const seeds = [...curve.seeds.values()];
  const extreme = (name, choose) => curve.update.map((_, i) => {
    const known = seeds.map((seed) => seed[name][i]).filter((x) => x !== null);
    return known.length ? choose(...known) : null;
  });
  return { low: extreme("low", Math.min), high: extreme("high", Math.max) };
}

/** Each seed's newest value, of the best member in a population; null for one that has stopped, unless the metric outlives it,
    and for an evaluation that is not finite. */
export function newest(run, name) {
  const curve = run.curves.get(name), { stops } = run;
  return [...(curve ? run.ofBest(curve).seeds : [])].map(([seed, { mean }]) => filled(mean, run.carried(seed, name, curve, stops)).at(-1) ?? null);
}
