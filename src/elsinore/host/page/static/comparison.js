// Several runs over each other.

import { h } from "./dom.js";
import { number, whole } from "./format.js";
import { Panel, colour, dash } from "./panel.js";
import { chip, swatch } from "./pieces.js";
import { newest, summary } from "./statistics.js";

export class Comparison {
  constructor(runs) {
    this.runs = runs;
    this.panel = new Panel(runs);
    this.legend = h("ul", { class: "legend" });
    this.element = h("article", { class: "comparison" }, h("h1", {}, "Comparison"), this.legend, this.panel.element);
  }

  changed() {
    this.legend.replaceChildren(...this.runs.map((run, i) => this.entry(run, swatch(colour(i), dash(i)))));
    this.panel.soon();
  }

  entry(run, own) {
    const { mean, low, high } = summary(newest(run.curves.get("eval/return")));
    const around = low === null || low === high ? "" : ` (${number(low)} to ${number(high)})`;
    return h("li", {}, own,
      h("a", { href: `#/run/${encodeURIComponent(run.name)}` }, run.name), run.line ? chip(run.line.state) : "",
      h("b", {}, mean === null ? "–" : `${number(mean)}${around}`),
      h("span", { class: "sub" }, run.error ?? `${run.info.algo ?? ""} on ${run.info.env ?? ""}, ${whole(run.line?.env_steps)} steps`));
  }

  repaint() {
    this.changed();
  }

  destroy() {
    this.panel.destroy();
  }
}
