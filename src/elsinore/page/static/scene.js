// Draw a scene, one function for each kind of panel. The environment gives roles; this file and scene.css give looks.

import { h, morph, svg } from "./dom.js";
import { number } from "./format.js";

const STAGE = ["grid", "pixels", "shades", "picture", "figure", "cards"]; // drawn large; the other panels stand beside them

/** Draw a scene into an element; `heading` labels it when two scenes stand side by side. */
export function drawScene(place, scene, heading = "") {
  const part = (wanted) => scene.panels.filter((panel) => STAGE.includes(panel.kind) === wanted).map(panelOf);
  const next = h("div", {}, h("div", { class: "title" }, heading ? h("h2", {}, heading) : "", h("p", {}, scene.title)),
    h("div", { class: "scene" }, h("div", { class: "world" }, part(true)), h("div", { class: "beside" }, part(false))));
  if (place.firstChild) morph(place.firstChild, next);
  else place.append(next);
}

/** Describe a scene in words for screen readers. */
export function describeScene(place, scene) {
  place.setAttribute("aria-label", sceneText(scene));
}

function panelOf(panel) {
  const draw = { grid, bars, cards, figure, pixels, shades, picture, facts, choices }[panel.kind];
  const drawn = draw ? draw(panel) : h("p", { class: "note" }, `a ${panel.kind}, which this page cannot draw`);
  return h("section", { class: `panel ${panel.kind}` }, h("h3", {}, panel.title), drawn);
}

const fill = (role) => `role-${role}`;

function grid({ width, height, things }) {
  const cells = svg("rect", { class: "empty", width, height, rx: 0.08 });
  const lines = [];
  for (let x = 1; x < width; x++) lines.push(`M${x} 0V${height}`);
  for (let y = 1; y < height; y++) lines.push(`M0 ${y}H${width}`);
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "board" }, cells,
    svg("path", { class: "lines", d: lines.join("") || "M0 0" }), things.filter((one) => !one.token).map(tile), tokens(things));
}

function tile({ x, y, label, role }) {
  const shape = svg("rect", { class: fill(role), x: x + 0.05, y: y + 0.05, width: 0.9, height: 0.9, rx: 0.1 });
  const lines = label.split(/(?<=[a-z])(?=[A-Z])/); // FastFood: two words
  const size = Math.min(0.22, 1.2 / Math.max(...lines.map((line) => line.length)));
  const down = (i) => y + 0.52 + 1.1 * size * (i - (lines.length - 1) / 2);
  return named(label, shape, ...lines.map((line, i) => words(line, role, x + 0.5, down(i), size)));
}

function tokens(things) {
  const cells = Map.groupBy(things.filter((one) => one.token), ({ x, y }) => `${x} ${y}`);
  return [...cells.values()].flatMap((here) => here.map(({ x, y, label, role }, i) => {
    const [right, down, radius] = seat(i, here.length);
    const [cx, cy] = [x + 0.5 + right, y + 0.5 + down];
    const size = radius * Math.min(1.1, 2.6 / label.length);
    return named(label, svg("circle", { class: `token ${fill(role)}`, cx, cy, r: radius }), words(label, role, cx, cy, size));
  }));
}

/** The place of the i-th of `count` tokens in a cell: right and down of the middle, and its radius. */
function seat(i, count) {
  if (count === 1) return [0, 0, 0.33];
  const columns = Math.ceil(Math.sqrt(count));
  const [rows, apart] = [Math.ceil(count / columns), 0.84 / columns];
  return [(i % columns - (columns - 1) / 2) * apart, (Math.floor(i / columns) - (rows - 1) / 2) * apart, 0.47 * apart];
}

function words(label, role, x, y, size) {
  return label ? svg("text", { class: `on on-${role}`, x, y, "font-size": size }, label) : "";
}

function named(label, ...parts) {
  return svg("g", {}, svg("title", {}, label), parts);
}

function bars({ bars }) {
  return h("ul", {}, bars.map((bar) => {
    const low = bar.danger_below !== null && bar.value <= bar.danger_below;
    const danger = low || (bar.danger_above !== null && bar.value >= bar.danger_above);
    const mark = (at) => at === null ? "" : h("s", { css: { left: `${100 * at}%` } });
    return h("li", { class: danger ? "alarm" : null, "data-bar": bar.name },
      h("span", {}, bar.name), h("b", {}, danger ? "⚠ " : "", bar.shown),
      h("div", { class: "meter", role: "meter", "aria-label": bar.name, "aria-valuenow": bar.value, "aria-valuemin": 0, "aria-valuemax": 1 },
        h("i", { class: `back-${danger ? "danger" : bar.role}`, css: { transform: `scaleX(${Math.min(Math.max(bar.value, 0), 1)})` } }),
        mark(bar.danger_below), mark(bar.danger_above)));
  }));
}

function cards({ cards }) {
  return h("ul", {}, cards.map(({ label, about, role, marked }) =>
    h("li", { class: `card${marked ? " marked" : ""}` }, h("b", { class: `ink-${role}` }, label), h("small", {}, about))));
}

/** y goes up from 0 to 1 in a figure, and down in a drawing. */
function figure({ aspect, shapes }) {
  const kinds = {
    line: ({ points, role, thickness }) => svg("polyline", { class: `stroke-${role}`, "stroke-width": thickness,
      points: points.map(([x, y]) => `${x},${1 - y}`).join(" ") }),
    circle: ({ x, y, radius, role }) => svg("circle", { class: fill(role), cx: x, cy: 1 - y, r: radius }),
    rectangle: ({ x, y, width, height, role }) => svg("rect", { class: fill(role), x: x - width / 2, y: 1 - y - height / 2, width, height, rx: 0.008 }),
    words: ({ x, y, text, role }) => svg("text", { class: fill(role), x, y: 1 - y, "font-size": 0.036 }, text),
  };
  return svg("svg", { viewBox: `0 0 ${aspect} 1`, class: "board" }, shapes.map((shape) => kinds[shape.kind]?.(shape) ?? ""));
}

function pixels({ rows, keys }) {
  const cells = rows.flatMap((row, y) => row.map((key, x) => key < 0 ? "" : svg("rect", { class: fill(keys[key]?.role), x, y, width: 1, height: 1 })));
  const used = new Set(rows.flat());
  return [
    svg("svg", { viewBox: `0 0 ${rows[0]?.length ?? 1} ${rows.length || 1}`, class: "board crisp" },
      svg("rect", { class: "empty", width: rows[0]?.length ?? 1, height: rows.length || 1 }), cells),
    h("ul", { class: "key" }, keys.map(({ name, role }, i) => used.has(i) ? h("li", {}, h("i", { class: `back-${role}` }), name) : "")),
  ];
}

function shades({ rows, low, high }) {
  const cells = rows.flatMap((row, y) => row.map((value, x) => svg("rect", { x, y, width: 1.02, height: 1.02, class: "shade", "fill-opacity": value })));
  return [
    svg("svg", { viewBox: `0 0 ${rows[0]?.length ?? 1} ${rows.length || 1}`, class: "board crisp" }, cells),
    h("p", { class: "scale" }, low, h("i", {}), high),
  ];
}

function picture({ title, width, height, png }) {
  return h("img", { class: width < 200 ? "board crisp" : "board", src: `data:image/png;base64,${png}`, alt: title, width, height });
}

function facts({ rows }) {
  return h("dl", {}, rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", { "data-fact": name }, value)]));
}

function choices({ measure, choices }) {
  const legal = choices.filter((choice) => choice.legal).map((choice) => choice.value);
  const [low, high] = measure === "probability" ? [0, 1] : [Math.min(...legal), Math.max(...legal)];
  const share = (value) => measure === "probability" ? value : (value - low) / (high - low || 1);
  return h("ul", { title: measure }, choices.map(({ name, value, chosen, legal }) =>
    h("li", { class: [chosen ? "chosen" : "", legal ? "" : "illegal"].join(" ") }, h("span", {}, chosen ? "▸ " : "", name),
      h("b", {}, legal ? (measure === "probability" ? `${(100 * value).toFixed(0)} %` : number(value)) : "illegal"),
      h("div", { class: "meter" }, h("i", { class: `back-${chosen ? "agent" : "faint"}`, css: { transform: `scaleX(${legal ? share(value) : 0})` } })))));
}

function sceneText(scene) {
  const parts = scene.panels.map((panel) => ({
    grid: () => panel.things.map(({ label, x, y }) => `${label} at column ${x + 1}, row ${y + 1}`).join(", "),
    bars: () => panel.bars.map((bar) => `${bar.name} ${bar.shown}`).join(", "),
    facts: () => panel.rows.map((row) => row.join(" ")).join(", "),
    choices: () => `chosen: ${panel.choices.filter((choice) => choice.chosen).map((choice) => choice.name).join(", ")}`,
    cards: () => panel.cards.map((card) => card.label).join(", "),
  })[panel.kind]?.()).filter(Boolean);
  return [scene.title, ...parts].join(". ");
}
