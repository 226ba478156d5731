// One chart: uPlot in the page's colours, with the value under the pointer and a text summary.
/* global uPlot */

import { h, setText } from "./dom.js";
import { csvOf, pngOf, save } from "./downloads.js";
import { duration, number, short, ticks } from "./format.js";
import { swatch } from "./widgets.js";

const GUTTER = 52, FOOT = 26; // room for the numbers beside and below, in CSS pixels
const crosshair = uPlot.sync("crosshair"); // the same x in every chart
const POINTING = ["mousemove", "mouseleave"]; // what the other charts follow; a drag zooms all of them once

/** Lines are `{label, colour, x, y, low, high, marks, faint, dash}`; `low`, `high` and `marks`, the indices of dots, may be
    missing. */
export class Chart {
  constructor(title, { onzoom, onhide, height = 190, id }) {
    Object.assign(this, { title, id, onzoom, onhide, height, lines: [], plot: null, axis: "steps", log: false });
    this.place = h("div", { class: "plot" });
    this.reading = h("p", { class: "reading", "aria-hidden": "true" });
    this.summary = h("p", { class: "unseen" });
    this.element = h("figure", { class: "chart", "data-metric": id },
      h("figcaption", {}, h("h3", {}, title), this.reading, this.tools()), this.place, this.summary);
    this.place.addEventListener("dblclick", () => onzoom(null));
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this.place);
    this.visible = true;
    this.visibility = new IntersectionObserver(([{ isIntersecting }]) => this.visibilityChanged(isIntersecting), { rootMargin: "100px" });
    this.visibility.observe(this.element);
  }

  tools() {
    const tool = (text, about, onclick) => h("button", { class: "quiet", "aria-label": `${about} ${this.title}`, title: about, onclick }, text);
    return h("span", { class: "tools" },
      tool("PNG", "Save as an image:", () => this.plot && save(`${this.id}.png`, pngOf(this))),
      tool("CSV", "Save the numbers of", () => save(`${this.id}.csv`, csvOf(this.lines, this.axis))),
      tool("Hide", "Hide", () => this.onhide(this.id)));
  }

  /** Draw these lines, redrawing as little as possible; `log` for a logarithmic scale where all values are above 0. */
  draw(lines, axis, log = false) {
    const positive = lines.every(({ y, low = [], high = [] }) => [y, low, high].every((values) => values.every((value) => value === null || value > 0)));
    const scale = log && positive;
    const kept = this.plot && axis === this.axis && scale === this.log && sameShape(lines, this.lines) && this.colours === colours().key;
    this.lines = lines.filter((line) => line.x.length);
    Object.assign(this, { axis, log: scale });
    if (!kept) this.build(table(this.lines));
    else if (this.visible) this.plot.setData(table(this.lines));
    this.late = kept && !this.visible;
    setText(this.summary, summaryText(this.lines, axis));
    this.read();
  }

  /** Delay drawing while the chart is scrolled out of view. */
  visibilityChanged(visible) {
    this.visible = visible;
    if (visible && this.late) this.plot?.setData(table(this.lines));
    if (visible) this.late = false;
  }

  build(data) {
    this.plot?.destroy();
    this.colours = colours().key;
    this.plot = null;
    if (!this.lines.length || !this.place.clientWidth) return;
    this.plot = new uPlot(this.options(), data, this.place);
  }

  options() {
    const { ink, faint, grid } = colours();
    const axis = { stroke: faint, font: "11px system-ui, sans-serif", ticks: { show: false } };
    return {
      width: this.place.clientWidth, height: this.height, padding: [8, 16, 0, 0],
      legend: { show: false },
      scales: { x: { time: false }, y: this.log ? { distr: 3 } : { range: (_, low, high) => padded(low, high) } },
      axes: [
        { ...axis, size: FOOT, space: 70, grid: { show: false }, values: (_, xs) => xs.map((x) => tick(x, this.axis)) },
        { ...axis, size: GUTTER, space: 34, grid: { stroke: grid, width: 1 }, values: (_, ys) => ticks(ys) },
      ],
      series: [{}, ...this.lines.flatMap((line, i) => seriesOf(line, (plot) => this.marked(plot, i)))],
      bands: bandsOf(this.lines),
      cursor: {
        sync: { key: crosshair.key, scales: ["x", null], filters: { pub: (type) => POINTING.includes(type) } }, y: false,
        drag: { x: true, y: false, setScale: false }, points: { size: 7, width: 2, fill: ink },
      },
      hooks: { setCursor: [() => this.read()], setSelect: [(plot) => this.zoom(plot)] },
    };
  }

  /** The indices in the plot's data at which line `i` has dots. */
  marked(plot, i) {
    const { x, marks = [] } = this.lines[i];
    return x.length === 1 ? [0] : marks.map((at) => plot.data[0].indexOf(x[at]));
  }

  zoom(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    const range = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.onzoom(range);
  }

  /** Show the values of the lines under the pointer, or at their ends. */
  read() {
    const at = this.plot?.cursor.idx ?? null;
    const shown = this.lines.filter((line) => !line.faint).slice(0, 4);
    const x = at === null ? null : this.plot.data[0][at];
    const parts = shown.map((line) => {
      const i = x === null ? Math.max(line.y.findLastIndex((y) => y !== null), 0) : Math.max(line.x.findLastIndex((one) => one <= x), 0);
      return h("span", {}, swatch(line.colour, line.dash), shown.length > 1 || line.named ? `${line.label} ` : "", h("b", {}, number(line.y[i])), spread(line, i));
    });
    this.reading.replaceChildren(...parts, x === null ? "" : h("span", { class: "at" }, `at ${tick(x, this.axis)}`));
  }

  resize() {
    const width = this.place.clientWidth;
    if (!width) return;
    if (!this.plot) this.build(table(this.lines));
    else if (width !== this.plot.width) this.plot.setSize({ width, height: this.height });
  }

  destroy() {
    this.sizes.disconnect();
    this.visibility.disconnect();
    this.plot?.destroy();
  }
}

function spread(line, i) {
  if (!line.low || line.low[i] === null || line.low[i] === line.high[i]) return "";
  return h("span", { class: "spread" }, ` ${number(line.low[i])} to ${number(line.high[i])}`);
}

function tick(x, axis) {
  return axis === "seconds" ? (x < 60 ? `${short(x)} s` : duration(x)) : short(x);
}

function seriesOf(line, marked) {
  const bare = { points: { show: false }, spanGaps: true };
  const width = line.faint ? 1 : 2;
  const drawn = { ...bare, label: line.label, stroke: line.colour, width, dash: line.dash, alpha: line.faint ? 0.4 : 1,
    points: { show: true, filter: marked, size: 7, fill: line.colour } };
  const edge = { ...bare, stroke: "transparent", width: 0 };
  return line.low ? [drawn, edge, edge] : [drawn];
}

function bandsOf(lines) {
  let next = 1;
  return lines.flatMap((line) => {
    const first = next;
    next += line.low ? 3 : 1;
    return line.low ? [{ series: [first + 2, first + 1], fill: `${line.colour}${lines.length > 1 ? "22" : "33"}` }] : [];
  });
}

/** All lines over one x axis in uPlot's format; lines span their missing points. */
function table(lines) {
  const tables = lines.map((line) => [line.x, line.y, ...(line.low ? [line.low, line.high] : [])]);
  if (!tables.length) return [[]];
  return tables.length === 1 ? tables[0] : uPlot.join(tables);
}

function sameShape(a, b) {
  const shape = (lines) => lines.filter((line) => line.x.length)
    .map((line) => [line.label, line.colour, Boolean(line.low), line.faint, line.x.length === 1].join()).join(";");
  return shape(a) === shape(b);
}

/** The y range with a margin; a constant is in the middle. */
function padded(low, high) {
  if (low === null || high === null || low > high) return [0, 1];
  const air = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [low >= 0 && low - air < 0 ? 0 : low - air, high + air];
}

function summaryText(lines, axis) {
  const texts = lines.filter((line) => !line.faint).map((line) => {
    const known = line.y.filter((y) => y !== null);
    if (!known.length) return `${line.label}: no finite value`;
    const range = `${number(Math.min(...known))} to ${number(Math.max(...known))}`;
    return `${line.label}: ${number(known.at(-1))} at ${tick(line.x.at(-1), axis)} ${axis}, from ${range}`;
  });
  return texts.join("; ") || "no data yet";
}

/** The page's colours, resolved for light or dark mode. */
function colours() {
  const of = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const [ink, faint, grid] = ["--ink", "--faint", "--grid"].map(of);
  return { ink, faint, grid, key: ink + grid };
}

const probe = document.body.appendChild(h("i", { class: "unseen", "aria-hidden": "true" }));
