// The charts of one run, or of several in the same charts.

import { Chart } from "./chart.js";
import { fillLike, h, notice } from "./dom.js";
import { natural, title } from "./format.js";
import { curvesOf } from "./run_data.js";
import { get, RELOAD_DELAY } from "./server.js";
import { envelope, overSeeds, smoothed } from "./statistics.js";
import { swatch } from "./widgets.js";

// Okabe and Ito's palette, safe for colour blindness; yellow is left out on white.
const ON_LIGHT = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#636d7b"];
const ON_DARK = ["#56b4e9", "#e69f00", "#00b886", "#cc79a7", "#f0e442", "#d55e00", "#b3bcc9"];

/** The colour of the i-th line. */
export function colour(i) {
  const colours = matchMedia("(prefers-color-scheme: dark)").matches ? ON_DARK : ON_LIGHT;
  return colours[i % colours.length];
}

// Dash patterns, in pixels on and off, for readers who do not see the colours.
const DASHES = [[], [9, 4], [2, 3], [10, 3, 2, 3], [5, 3], [14, 4, 5, 4], [1, 5]];

/** The dashes of the i-th line: others when colours come again. */
export function dash(i) {
  return DASHES[(i + Math.floor(i / DASHES.length)) % DASHES.length];
}

const PERIOD = 1000; // milliseconds between two redraws
const SHARE = 1 / 40; // of the time, at most, spent on drawing; a slow machine draws less often,
const LATEST = 8000; // but never later than these milliseconds, however long the last drawing took
const FIRST = ["eval/return", "episode/return", "curriculum/stage", "eval/length", "episode/length", "eval/return_std"];
const REST = "Everything else";
const GROUPS = [
  ["Returns", (name) => FIRST.includes(name)],
  ["Losses", (name) => name.startsWith("loss/") || name.endsWith("/loss")],
  ["Policy and value", (name) => /^(policy|value)\//.test(name)],
  ["Curriculum", (name) => name.startsWith("curriculum/")],
  [REST, () => true],
];
const WIDE = 2; // larger charts at the top
const OF_AGENTS = " of each agent"; // a chart with a line an agent, after the name of their metric
const SHADED = 3; // agents at most, of which each line has a shade
const LISTED = 20; // agents at most, of which each has a button

export class CurvesPanel {
  constructor(runs) {
    Object.assign(this, { runs, charts: new Map(), drawn: 0, took: 0, zoomed: null, cuts: new Map(), shape: "", off: new Set() });
    this.settings = { axis: "steps", smoothing: 0, each: false, log: false, hidden: [], ...remembered() };
    this.back = h("button", { class: "quiet", onclick: () => this.zoom(null), hidden: true }, "Whole run");
    this.all = h("button", { class: "quiet", onclick: () => this.set({ hidden: [] }) });
    this.note = h("p", { class: "note", role: "status" });
    this.legend = h("div", { class: "lines", role: "group", "aria-label": "Lines", onclick: (event) => this.toggle(event.target.closest("button")) });
    this.groups = h("div", { class: "groups" });
    this.element = h("section", { class: "curves", "aria-label": "Curves" }, this.toolbar(), this.legend, this.note, this.groups);
  }

  toolbar() {
    const { axis, smoothing, each, log } = this.settings;
    const option = (value, text) => h("option", { value, selected: value === axis }, text);
    this.over = h("select", { id: "axis", onchange: (event) => this.set({ axis: event.target.value }) },
      option("steps", "env steps"), option("episodes", "episodes"), option("seconds", "seconds"));
    const slider = h("input", { type: "range", id: "smoothing", min: 0, max: 0.98, step: 0.02, value: smoothing,
      oninput: (event) => this.set({ smoothing: Number(event.target.value) }) });
    const seeds = h("input", { type: "checkbox", id: "each", checked: each,
      onchange: (event) => this.set({ each: event.target.checked }) });
    const scale = h("input", { type: "checkbox", id: "log", checked: log, onchange: (event) => this.set({ log: event.target.checked }) });
    return h("div", { class: "toolbar", role: "group", "aria-label": "Chart settings" },
      h("label", {}, "Over ", this.over), h("label", {}, "Smoothing ", slider), this.runs.length === 1 ? h("label", {}, seeds, " Each seed") : "",
      h("label", { title: "Where all values are above 0" }, scale, " Log scale"), this.all, this.back,
      h("span", { class: "hint" }, "Shade: 95 % interval over seeds for evaluations, else minimum to maximum. A dot: a seed stopped there; from then on it counts in evaluations only. Drag to zoom."));
  }

  /** A sample has the episodes of a part of the updates: they can be counted in the whole only. */
  get counts() {
    return this.runs.every((run) => !run.sampled);
  }

  /** The axis that is shown. */
  get axis() {
    const { axis } = this.settings;
    return axis === "episodes" && !this.counts ? "steps" : axis;
  }

  set(change) {
    Object.assign(this.settings, change);
    if (change.axis) this.zoom(null);
    try {
      localStorage.setItem("curves", JSON.stringify(this.settings));
    } catch { /* no storage: the settings last until the page closes */ }
    this.draw();
  }

  /** Show a range of x, loaded again at full resolution; null for the whole run. */
  async zoom(range) {
    this.zoomed = range;
    this.back.hidden = !range;
    this.cuts.clear();
    const axis = this.axis; // another one may be shown once the whole has come
    if (range) await Promise.all(this.runs.map((run) => this.cut(run, range, axis)));
    this.draw();
  }

  /** Load a part of a run; of a large part first a sample, then the whole. */
  async cut(run, range, axis) {
    const [first, last] = range.map((x) => run.updateAt(x, axis));
    try {
      const found = await get("curves", { run: run.name, first: Math.max(Math.floor(first), 0), last: Math.ceil(last) });
      if (this.zoomed !== range) return;
      this.cuts.set(run, { curves: curvesOf(found.curves), sampled: found.sampled });
      if (found.sampled) setTimeout(() => this.element.isConnected && this.zoomed === range && this.cut(run, range, axis).then(() => this.draw()), RELOAD_DELAY);
    } catch (error) {
      notice(error.message);
    }
  }

  /** Schedule a redraw. */
  soon() {
    const wait = Math.min(Math.max(PERIOD, this.took / SHARE), LATEST);
    this.waiting ??= setTimeout(() => this.draw(), Math.max(this.drawn + wait - performance.now(), 0));
  }

  draw() {
    clearTimeout(this.waiting);
    this.waiting = null;
    const began = performance.now();
    this.drawNow();
    this.drawn = performance.now();
    this.took = this.drawn - began;
  }

  drawNow() {
    const names = this.names();
    if (names.join() !== this.shape) this.arrange(names);
    this.nameLines();
    this.over.querySelector("[value=episodes]").disabled = !this.counts;
    this.over.value = this.axis;
    for (const [name, chart] of this.charts) chart.draw(this.linesOf(name), this.axis, this.settings.log);
    this.ondraw?.();
    if (!names.length) {
      this.note.textContent = "The first chunk has not finished.";
      return;
    }
    const sampled = this.runs.some((run) => (this.cuts.get(run) ?? run).sampled);
    const rough = this.runs.some((run) => [...this.of(run).values()].some((curve) => !curve.exact));
    this.note.textContent = sampled ? "A part of the updates is shown while the rest is being read."
      : rough ? "A line is the mean of several updates, its shade their minimum and maximum; zoom in for single values." : "";
  }

  of(run) {
    return (this.cuts.get(run) ?? run).curves;
  }

  names() {
    const all = new Set(this.runs.flatMap((run) => [...run.curves.keys()].map(chartOf)));
    const hidden = this.settings.hidden.filter((name) => all.delete(name));
    this.all.hidden = !hidden.length;
    this.all.textContent = `Show ${hidden.length} hidden`;
    return [...all].sort((a, b) => rank(a) - rank(b) || natural(a, b));
  }

  arrange(names) {
    this.shape = names.join();
    this.destroy();
    let left = names;
    let large = WIDE;
    this.groups.replaceChildren(...GROUPS.map(([heading, belongs]) => {
      const mine = left.filter((name) => belongs(metricOf(name)));
      left = left.filter((name) => !belongs(metricOf(name)));
      const charts = mine.map((name) => {
        const big = large-- > 0;
        const chart = new Chart(name.endsWith(OF_AGENTS) ? `${title(metricOf(name))}${OF_AGENTS}` : title(name), { onzoom: (range) => this.zoom(range), onhide: (id) => this.set({ hidden: [...this.settings.hidden, id] }),
          height: big ? 280 : 180, id: name });
        if (big) chart.element.classList.add("large");
        this.charts.set(name, chart);
        return chart.element;
      });
      if (!charts.length) return "";
      const inside = h("div", { class: "charts" }, charts);
      return heading === REST ? h("details", { class: "group" }, h("summary", {}, heading), inside)
        : h("section", { class: "group" }, h("h2", {}, heading), inside);
    }));
  }

  /** The names of the lines that can be hidden: of several runs, or of several seeds or agents of one. */
  lineNames() {
    if (this.runs.length > 1) return this.runs.map((run) => run.name);
    const { agents } = this.runs[0];
    if (!this.settings.each) return agents.length <= LISTED ? agents : [];
    const seeds = [...this.runs[0].curves.values()].flatMap((curve) => [...curve.seeds.keys()]);
    return [...new Set(seeds)].map((seed) => `seed ${this.runs[0].seedName(seed)}`);
  }

  nameLines() {
    const names = this.lineNames();
    this.legend.hidden = names.length < 2;
    fillLike(this.legend, names.map((name, i) => h("button", { class: "quiet", "data-line": name, "aria-pressed": String(!this.off.has(name)),
      title: this.off.has(name) ? "Show this line" : "Hide this line" }, swatch(colour(i), dash(i)), name)));
  }

  /** Hide the line of a button in all charts, or show it again. */
  toggle(button) {
    const name = button?.dataset.line;
    if (name === undefined) return;
    if (!this.off.delete(name)) this.off.add(name);
    this.draw();
  }

  linesOf(name) {
    if (name.endsWith(OF_AGENTS)) return this.agentLines(metricOf(name));
    return this.runs.flatMap((run, i) => {
      if (this.runs.length > 1 && this.off.has(run.name)) return [];
      const curve = this.of(run).get(name);
      if (!curve?.update.length) return [];
      const x = curve.update.map((update) => run.place(update, this.axis));
      const several = this.runs.length > 1;
      return this.settings.each && !several ? this.eachSeed(run, curve, x) : [{ ...this.mean(run, curve, x, name), colour: colour(i), dash: dash(i) }];
    });
  }

  /** A line for each agent, the mean over seeds; in charts of several runs each run has a colour, and its agents have dashes. */
  agentLines(metric) {
    const several = this.runs.length > 1;
    return this.runs.flatMap((run, i) => {
      const curves = this.of(run), { agents } = run;
      return agents.flatMap((agent, j) => {
        const curve = curves.get(`${metric} [${agent}]`);
        if (!curve?.update.length || this.off.has(several ? run.name : agent)) return [];
        const line = this.mean(run, curve, curve.update.map((update) => run.place(update, this.axis)), metric);
        if (agents.length > SHADED || several) Object.assign(line, { low: undefined, high: undefined });
        return [{ ...line, label: several ? `${run.name}, ${agent}` : agent, named: true, colour: colour(several ? i : j), dash: dash(j) }];
      });
    });
  }

  /** A line for each seed, which ends in a dot where the seed stopped. */
  eachSeed(run, curve, x) {
    const stops = this.stopsOf(run);
    const lastOf = (seed, mean) => mean.findLastIndex((value, i) => value !== null && curve.update[i] <= stops.get(seed));
    return [...curve.seeds].map(([seed, { mean, low, high }], i) => ({
      label: `seed ${run.seedName(seed)}${stops.has(seed) ? " (stopped)" : ""}`, colour: colour(i), dash: dash(i), x,
      y: smoothed(mean, this.settings.smoothing), marks: stops.has(seed) ? [lastOf(seed, mean)] : [],
      name: `seed ${run.seedName(seed)}`, ...(curve.exact ? {} : { low, high }),
    })).filter((line) => !this.off.has(line.name));
  }

  /** The seeds that stopped before others; those of a part of the run are those of the whole. */
  stopsOf(run) {
    if (this.stops?.get(run)?.cursor !== run.cursor) (this.stops ??= new Map()).set(run, { cursor: run.cursor, stops: run.stops });
    return this.stops.get(run).stops;
  }

  /** The mean over seeds, with the interval of an evaluation or else the range; of a population the best member's. */
  mean(run, whole, x, name) {
    const curve = run.ofBest(whole);
    const weight = this.settings.smoothing;
    const stops = this.stopsOf(run);
    const seeds = [...curve.seeds.values()].map((seed) => smoothed(seed.mean, weight));
    const carried = [...curve.seeds.keys()].map((seed) => run.carried(seed, name, curve, stops));
    const { mean, low, high } = overSeeds(seeds, name.startsWith("eval/"), carried);
    const marks = [...stops].filter(([seed]) => curve.seeds.has(seed)).map(([, at]) => curve.update.findIndex((update) => update >= at)).filter((i) => i >= 0);
    const around = !curve.exact ? envelope(curve) : curve.seeds.size > 1 ? { low, high } : {};
    const over = run.best.name ? `best member, ${run.best.name}` : "mean over seeds";
    const named = this.runs.length === 1 && run.best.name !== ""; // a label that a single line has, too
    return { label: this.runs.length > 1 ? run.name : over, named, x, y: mean, marks, ...around };
  }

  destroy() {
    clearTimeout(this.waiting);
    for (const chart of this.charts.values()) chart.destroy();
    this.charts.clear();
  }
}

/** The chart of a metric: those of agents, `loss/policy [ann]`, share one. */
function chartOf(name) {
  return name.replace(/ \[.*\]$/, OF_AGENTS);
}

/** The metric of a chart. */
function metricOf(chart) {
  return chart.endsWith(OF_AGENTS) ? chart.slice(0, -OF_AGENTS.length) : chart;
}

function rank(name) {
  const place = FIRST.indexOf(metricOf(name));
  return (place < 0 ? FIRST.length : place) + (name.endsWith(OF_AGENTS) ? 0.5 : 0);
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem("curves") ?? "{}");
  } catch {
    return {};
  }
}
