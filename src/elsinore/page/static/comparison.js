// The comparison: the curves of several runs in the same charts.

import { CurvesPanel, colour, dash } from "./curves_panel.js";
import { h } from "./dom.js";
import { number, whole } from "./format.js";
import { newest, summary } from "./statistics.js";
import { chip, swatch } from "./widgets.js";

export class Comparison {
  constructor(runs) {
    this.runs = runs;
    this.panel = new CurvesPanel(runs);
    this.legend = h("ul", { class: "legend" });
    this.element = h("article", { class: "comparison" }, h("h1", {}, "Comparison"), this.legend, this.panel.element);
  }

  changed(run, message) {
    this.legend.replaceChildren(...this.runs.map((run, i) => this.entry(run, swatch(colour(i), dash(i)))));
    if (message.overview) this.panel.draw(); // a run joins the charts at once, however slow drawing is
    else this.panel.soon();
  }

  entry(run, mark) {
    const { mean, low, high } = summary(newest(run, "eval/return"));
    const around = low === null || low === high ? "" : ` (${number(low)} to ${number(high)})`;
    return h("li", {}, mark,
      h("a", { href: `#/run/${encodeURIComponent(run.name)}` }, run.name), run.status ? chip(run.status.state) : "",
      h("b", {}, mean === null ? "–" : `${number(mean)}${around}`),
      h("span", { class: "sub" }, run.error ?? `${run.info.algo ?? ""} on ${run.info.env ?? ""}${run.best.name && `, best member ${run.best.name}`}, ${whole(run.status?.env_steps)} steps`));
  }

  repaint() {
    this.changed(null, { overview: true });
  }

  destroy() {
    this.panel.destroy();
  }
}
