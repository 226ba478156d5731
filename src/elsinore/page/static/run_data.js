// A run's metrics in the browser: an overview from the server, extended by live updates.

import { natural } from "./format.js";
import { filled, outlivesItsSeed, summary } from "./statistics.js";

const MOST_POINTS = 1600; // of one curve; with more, a new overview is loaded

export class RunData {
  constructor(name) {
    Object.assign(this, { name, status: null, error: null, event: 0, events: [] });
    this.clear();
  }

  clear() {
    Object.assign(this, { cursor: -1, first: 0, info: {}, members: [], curves: new Map(), sampled: false, found: null });
    this.episodes = { update: [0], count: [0] };
    this.clock = { update: [0], seconds: [0], speed: [null] };
  }

  /** Replace everything by an overview. */
  load(overview) {
    this.clear();
    Object.assign(this, { info: overview.info, cursor: overview.cursor, first: overview.first, sampled: overview.sampled });
    this.members = membersOf(overview.info);
    this.curves = curvesOf(overview.curves);
    this.events = overview.events;
    this.event = overview.event;
    let sum = 0;
    overview.episodes.update.forEach((update, i) => {
      sum += overview.episodes.count[i];
      put(this.episodes, { update, count: sum });
    });
    overview.clock.update.forEach((update, i) => {
      put(this.clock, { update, seconds: overview.clock.seconds[i], speed: overview.clock.speed[i] });
    });
  }

  /** Add live updates. Returns true if a new overview is needed. */
  apply(updates) {
    const forgets = updates.forget_after !== undefined;
    const coarse = forgets && [...this.curves.values()].some((curve) => !curve.exact); // a point that is dropped may hold earlier updates, too
    if (forgets) this.forgetAfter(updates.forget_after); // before the new events: they are not void
    if (updates.events) {
      this.events.push(...updates.events);
      this.event = updates.event;
    }
    for (const [update, seed, name, value] of updates.rows ?? []) {
      if (update <= this.cursor) continue; // repeated after a lost connection
      addPoint(this.curves, name, seed, update, value);
      if (name === "episode/count") addCount(this.episodes, update, value ?? 0);
    }
    for (const [update, seconds, speed] of updates.clock ?? []) {
      if (update > this.clock.update.at(-1)) {
        put(this.clock, { update, seconds: this.clock.seconds.at(-1) + seconds, speed });
      }
    }
    this.cursor = Math.max(this.cursor, updates.rows?.at(-1)?.[0] ?? -1);
    const unknown = updates.rows && this.info.steps_per_update === undefined; // the run began after its page was opened
    return Boolean(updates.reload || coarse || unknown) || [...this.curves.values()].some((curve) => curve.update.length > MOST_POINTS);
  }

  /** Drop later updates: a resumed run goes back to its checkpoint and logs them again. */
  forgetAfter(update) {
    for (const curve of this.curves.values()) cut(curve, update);
    cut(this.episodes, update);
    cut(this.clock, update);
    this.events = this.events.filter((event) => event[1] <= update);
    this.cursor = Math.min(this.cursor, update);
    this.found = null;
  }

  /** The last update of each seed, less than that of other seeds for one that has stopped. Callbacks may log for it even then,
      so the count of episodes tells it, which each seed that learns has at every update; without that, all metrics do. */
  get lastUpdates() {
    const last = new Map();
    const counted = this.curves.get("episode/count");
    for (const { update, seeds } of counted ? [counted] : this.curves.values()) {
      for (const [seed, { mean }] of seeds) {
        const i = mean.findLastIndex((value) => value !== null);
        if (i >= 0) last.set(seed, Math.max(last.get(seed) ?? -1, update[i]));
      }
    }
    return last;
  }

  /** The seeds that stopped before others did, and the last update of each. */
  get stops() {
    const last = this.lastUpdates;
    const newest = Math.max(-1, ...last.values());
    return new Map([...last].filter(([, update]) => update < newest));
  }

  /** The names of the agents that have metrics of their own. */
  get agents() {
    const found = [...this.curves.keys()].map((name) => / \[(.*)\]$/.exec(name)?.[1]).filter((agent) => agent !== undefined);
    return [...new Set(found)].sort(natural);
  }

  /** The number of seeds of each member, or of the run. */
  get seedsOfEach() {
    return Math.max(Math.floor((this.info.seeds || 1) / (this.members.length || 1)), 1);
  }

  /** A seed as `0`, or as `0, algo.gamma=0.9` in a population, whose members have the same seeds. */
  seedName(seed) {
    const { members, seedsOfEach } = this;
    const first = this.info.first_seed ?? 0, place = seed - first;
    return members.length ? `${first + (place % seedsOfEach)}, ${members[Math.floor(place / seedsOfEach)]}` : String(seed);
  }

  /** The best member by the newest evaluations: its name and seeds. Settings differ between members, so a mean is over its seeds
      alone. Without members: no name, and all seeds. */
  get best() {
    if (this.found?.cursor === this.cursor) return this.found;
    const { members, seedsOfEach } = this;
    const first = this.info.first_seed ?? 0, name = "eval/return", curve = this.curves.get(name), { stops } = this;
    const has = (i) => (seed) => Math.floor((seed - first) / seedsOfEach) === i;
    const score = (_, i) => {
      const newest = [...(curve?.seeds ?? [])].filter(([seed]) => has(i)(seed))
        .map(([seed, { mean }]) => filled(mean, this.carried(seed, name, curve, stops)).at(-1) ?? null);
      const { mean } = summary(newest, false);
      return mean === null ? -Infinity : mean * (this.info.mode === "min" ? -1 : 1);
    };
    const scores = members.map(score);
    const i = Math.max(scores.indexOf(Math.max(...scores)), 0);
    this.found = { cursor: this.cursor, name: members.length > 1 ? members[i] : "", has: members.length > 1 ? has(i) : () => true };
    return this.found;
  }

  /** A curve with the seeds of the best member only. */
  ofBest(curve) {
    return { ...curve, seeds: new Map([...curve.seeds].filter(([seed]) => this.best.has(seed))) };
  }

  /** The first and the last index at which a missing value of a curve is the seed's last one. Of an evaluation those after the
      seed's stop: before it a missing one is not finite. Of another metric those before it, such as while no episode ends. */
  carried(seed, name, curve, stops = this.stops) {
    const last = this.lastPoint(seed, curve, stops);
    return outlivesItsSeed(name) ? [last + 1, Infinity] : [0, last];
  }

  /** The index of the last point of a curve before which a seed has not stopped. */
  lastPoint(seed, curve, stops = this.stops) {
    return curve.update.findLastIndex((update) => update <= (stops.get(seed) ?? Infinity));
  }

  /** An update's x: "steps" and "episodes" of one seed, or "seconds" of training. */
  place(update, axis) {
    if (axis === "steps") return update * (this.info.steps_per_update ?? 1);
    if (axis === "seconds") return interpolate(this.clock.update, this.clock.seconds, update);
    return interpolate(this.episodes.update, this.episodes.count, update) / (this.info.seeds || 1);
  }

  /** The update at an x. */
  updateAt(x, axis) {
    if (axis === "steps") return x / (this.info.steps_per_update ?? 1);
    if (axis === "seconds") return interpolate(this.clock.seconds, this.clock.update, x);
    return interpolate(this.episodes.count, this.episodes.update, x * (this.info.seeds || 1));
  }
}

/** The names of a population's members, which are their settings; none for a run of one setting. */
function membersOf(info) {
  try {
    return JSON.parse(info.members ?? "[]").map(String);
  } catch {
    return [];
  }
}

/** Curves by name, each {update, exact, seeds: Map(seed -> {mean, low, high})}, from the server's. */
export function curvesOf(data) {
  return new Map(Object.entries(data).map(([name, { update, exact, seeds }]) => {
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

/** Linear interpolation: y at x. */
function interpolate(xs, ys, x) {
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
