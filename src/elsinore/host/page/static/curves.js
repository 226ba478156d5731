// A run's numbers in the browser: an overview from the server, and what is told live after it.

const MOST_POINTS = 1600; // of one curve; then a new overview makes fewer of them

export class Run {
  constructor(name) {
    Object.assign(this, { name, line: null, error: null, heard: 0, events: [] });
    this.clear();
  }

  clear() {
    Object.assign(this, { cursor: -1, first: 0, info: {}, curves: new Map(), sampled: false });
    this.episodes = { update: [0], count: [0] };
    this.clock = { update: [0], seconds: [0], speed: [null] };
  }

  /** Take an overview in place of everything known. */
  take(overview) {
    this.clear();
    Object.assign(this, { info: overview.info, cursor: overview.cursor, first: overview.first, sampled: overview.sampled });
    this.curves = curvesOf(overview.curves);
    this.events = overview.events;
    this.heard = overview.events.at(-1)?.[0] ?? 0;
    let sum = 0;
    overview.episodes.update.forEach((update, i) => {
      sum += overview.episodes.count[i];
      put(this.episodes, { update, count: sum });
    });
    overview.clock.update.forEach((update, i) => {
      put(this.clock, { update, seconds: overview.clock.seconds[i], speed: overview.clock.speed[i] });
    });
  }

  /** Take what is new. Returns whether a new overview is needed. */
  hear(news) {
    if (news.events) {
      this.events.push(...news.events);
      this.heard = news.events.at(-1)[0];
    }
    if (news.forget_after !== undefined) this.forgetAfter(news.forget_after);
    for (const [update, seed, name, value] of news.rows ?? []) {
      if (update <= this.cursor) continue; // told twice, after a connection that was lost
      addPoint(this.curves, name, seed, update, value);
      if (name === "episode/count") addCount(this.episodes, update, value ?? 0);
    }
    for (const [update, seconds, speed] of news.clock ?? []) {
      if (update > this.clock.update.at(-1)) {
        put(this.clock, { update, seconds: this.clock.seconds.at(-1) + seconds, speed });
      }
    }
    this.cursor = Math.max(this.cursor, news.rows?.at(-1)?.[0] ?? -1);
    return Boolean(news.again) || [...this.curves.values()].some((curve) => curve.update.length > MOST_POINTS);
  }

  /** A run that was resumed goes back: what came after its checkpoint is told anew. */
  forgetAfter(update) {
    for (const curve of this.curves.values()) cut(curve, update);
    cut(this.episodes, update);
    cut(this.clock, update);
    this.events = this.events.filter((event) => event[1] <= update);
    this.cursor = Math.min(this.cursor, update);
  }

  /** An update on the chosen x axis: "steps" and "episodes" are of one seed, "seconds" are of training. */
  place(update, axis) {
    if (axis === "steps") return update * (this.info.steps_per_update ?? 1);
    if (axis === "seconds") return between(this.clock.update, this.clock.seconds, update);
    return between(this.episodes.update, this.episodes.count, update) / (this.info.seeds || 1);
  }

  /** The update at a place on the x axis. */
  updateAt(x, axis) {
    if (axis === "steps") return x / (this.info.steps_per_update ?? 1);
    if (axis === "seconds") return between(this.clock.seconds, this.clock.update, x);
    return between(this.episodes.count, this.episodes.update, x * (this.info.seeds || 1));
  }
}

/** Curves by name, each {update, exact, seeds: Map(seed -> {mean, low, high})}, from the server's. */
export function curvesOf(told) {
  return new Map(Object.entries(told).map(([name, { update, exact, seeds }]) => {
    const each = Object.entries(seeds).map(([seed, { mean, low, high }]) => [
      Number(seed), { mean, low: low ?? [...mean], high: high ?? [...mean] },
    ]);
    return [name, { update, exact, seeds: new Map(each) }];
  }));
}

function put(columns, row) {
  for (const [name, value] of Object.entries(row)) columns[name].push(value);
}

function addPoint(curves, name, seed, update, value) {
  if (!curves.has(name)) curves.set(name, { update: [], exact: true, seeds: new Map() });
  const curve = curves.get(name);
  if (curve.update.at(-1) !== update) {
    curve.update.push(update);
    for (const each of curve.seeds.values()) put(each, { mean: null, low: null, high: null });
  }
  if (!curve.seeds.has(seed)) {
    const blank = () => curve.update.map(() => null);
    curve.seeds.set(seed, { mean: blank(), low: blank(), high: blank() });
  }
  const each = curve.seeds.get(seed);
  for (const name of ["mean", "low", "high"]) each[name][curve.update.length - 1] = value;
}

function addCount(episodes, update, count) {
  if (episodes.update.at(-1) === update) episodes.count[episodes.count.length - 1] += count;
  else put(episodes, { update, count: episodes.count.at(-1) + count });
}

function cut(columns, update) {
  const keep = columns.update.findLastIndex((one) => one <= update) + 1;
  columns.update.length = keep;
  for (const each of columns.seeds?.values() ?? [columns]) {
    for (const values of Object.values(each)) if (Array.isArray(values)) values.length = keep;
  }
}

/** Straight lines between points: y at x. */
function between(xs, ys, x) {
  let low = 0, high = xs.length - 1;
  if (high < 0) return 0;
  if (x >= xs[high]) return ys[high];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  const share = (x - xs[low]) / (xs[high] - xs[low] || 1);
  return ys[low] + (ys[high] - ys[low]) * Math.max(share, 0);
}
