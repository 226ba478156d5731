// Small elements used in several places.

import { h, svg } from "./dom.js";
import { number } from "./format.js";

export const LIVE = ["compiling", "training", "pausing", "paused", "stopping"];

const MEANINGS = {
  compiling: "compiling its program", training: "training", paused: "waiting for Resume",
  pausing: "pauses after this chunk", stopping: "ends after this chunk", converged: "every seed reached its target",
  plateau: "returns stopped improving, or seeds ended in different ways", diverged: "parameters became NaN or infinite",
  budget: "all env steps are done", interrupted: "stopped or killed; can be resumed",
};

/** A run's state as displayed. */
export function stateLabel(state) {
  return state === "budget" ? "finished" : state;
}

/** A run's state as a coloured label. */
export function chip(state) {
  return h("span", { class: "chip", "data-state": state, title: MEANINGS[state] ?? "" }, stateLabel(state));
}

/** A progress bar of a run's budget. */
export function progress({ share = 0 }) {
  const percent = Math.round(100 * share);
  return h("span", { class: "progress", role: "progressbar", "aria-valuenow": percent, "aria-valuemin": 0,
    "aria-valuemax": 100, "aria-label": "Part of the budget used" }, h("i", { css: { width: `${100 * share}%` } }));
}

/** A small curve of a run's evaluations, with a text for those who do not see it. */
export function sparkline(values = []) {
  if (values.length < 2) return "";
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const points = values.map((y, i) => `${(1 + 78 * i / (values.length - 1)).toFixed(1)},${(high > low ? 19 - 18 * (y - low) / (high - low) : 10).toFixed(1)}`);
  return svg("svg", { class: "sparkline", viewBox: "0 0 80 20", width: 80, height: 20, role: "img",
    "aria-label": `Evaluations from ${number(values[0])} to ${number(values.at(-1))}, at most ${number(high)}` },
  svg("polyline", { points: points.join(" "), fill: "none", "stroke-width": 1.5 }));
}

/** A short sample of a line's colour and dashes. */
export function swatch(colour, dash = []) {
  return svg("svg", { class: "swatch", viewBox: "0 0 26 8", width: 26, height: 8, "aria-hidden": "true" },
    svg("line", { x1: 0, y1: 4, x2: 26, y2: 4, stroke: colour, "stroke-width": 3, "stroke-dasharray": dash.join(" ") || null }));
}

/** A value with its name. */
export function tile(name, value, about = "") {
  return h("div", { class: "tile", "data-tile": name }, h("dt", {}, name), h("dd", {}, value, about ? h("small", {}, about) : ""));
}

/** A table from rows of cells; the first cell of a row names it. */
export function table(caption, heads, rows, figures = true) {
  const cell = (value, i) => i === 0 ? h("th", { scope: "row" }, value) : h("td", { class: figures ? "num" : null }, value);
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, heads.map((head, i) => h("th", { scope: "col", class: figures && i ? "num" : null }, head)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell))))));
}
