// The list of runs.

import { h, notice } from "./dom.js";
import { ago, number, short, whole } from "./format.js";
import { startDialog } from "./start_dialog.js";
import { chip, progress } from "./widgets.js";

export class RunList {
  constructor(runs, skipped, session) {
    Object.assign(this, { runs, skipped, session, chosen: new Set(), filter: "" });
    this.body = h("tbody");
    this.compare = h("a", { class: "button", role: "button", "aria-disabled": "true" }, "Compare");
    this.empty = h("p", { class: "empty" });
    this.unread = h("ul", { class: "unread", "aria-label": "What cannot be shown" });
    this.table = h("table", { class: "runs" },
      h("caption", { class: "unseen" }, "Runs, the last changed first"),
      h("thead", {}, h("tr", {}, ["", "Run", "State", "Environment", "Progress", "Return", "Steps/s", "Changed"]
        .map((text, i) => h("th", { scope: "col", class: i > 4 ? "num" : null }, text || h("span", { class: "unseen" }, "Compare"))))),
      this.body);
    const search = h("input", { type: "search", placeholder: "Filter by name, environment or algorithm",
      "aria-label": "Filter the runs", oninput: (event) => this.narrow(event.target.value) });
    const start = h("button", { class: "primary", disabled: !session.may_control, onclick: () => startDialog(session),
      title: session.may_control ? null : "Open the address that elsinore watch printed: it contains the token" }, "Start a run");
    this.element = h("section", { class: "list" },
      h("div", { class: "head" }, h("h1", {}, "Runs"), h("p", { class: "where" }, session.folder)),
      h("div", { class: "toolbar" }, search, this.compare, start), this.table, this.empty, this.unread);
    this.list(runs, skipped);
  }

  narrow(text) {
    this.filter = text.toLowerCase();
    this.list(this.runs, this.skipped);
  }

  list(runs, skipped) {
    Object.assign(this, { runs, skipped });
    const fits = (run) => [run.name, run.env, run.algo].join(" ").toLowerCase().includes(this.filter);
    const shown = runs.filter(fits);
    const focus = document.activeElement?.dataset?.run;
    this.body.replaceChildren(...shown.map((run) => this.row(run)));
    if (focus) this.body.querySelector(`input[data-run="${CSS.escape(focus)}"]`)?.focus();
    this.table.hidden = !shown.length;
    this.empty.textContent = shown.length ? "" : runs.length ? "No run matches the filter."
      : "No runs here yet. Start one above, or with elsinore train CartPole-v1.";
    const reasons = [...runs.flatMap((run) => (run.unread ?? []).map((reason) => [run.name, reason])), ...Object.entries(skipped)];
    this.unread.replaceChildren(...reasons.map(([name, reason]) => h("li", {}, h("b", {}, name), `: ${reason}`)));
    this.link();
  }

  row(run) {
    const box = h("input", { type: "checkbox", "data-run": run.name, checked: this.chosen.has(run.name),
      "aria-label": `Compare ${run.name}`, onchange: (event) => this.choose(run.name, event.target.checked) });
    const link = h("a", { href: `#/run/${encodeURIComponent(run.name)}` }, run.name);
    const cell = (label, ...content) => h("td", { "data-label": label, class: "num" }, ...content);
    if (run.error) return h("tr", { class: "broken" }, h("td", {}, box), h("th", { scope: "row" }, link), h("td", { colspan: 6 }, run.error));
    const seeds = run.seeds > 1 ? ` · ${run.seeds} seeds` : "";
    return h("tr", {},
      h("td", { class: "pick" }, box), h("th", { scope: "row" }, link), h("td", { "data-label": "State" }, chip(run.state)),
      h("td", { "data-label": "Environment" }, run.env ?? "–", h("span", { class: "sub" }, `${run.algo ?? ""}${seeds}`)),
      h("td", { "data-label": "Progress" }, progress(run), h("span", { class: "sub" }, `${short(run.env_steps)} of ${short(run.total_env_steps)} steps`)),
      cell("Return", h("b", {}, number(run.return))), cell("Steps/s", whole(run.speed)), cell("Changed", ago(run.time)));
  }

  choose(name, yes) {
    if (yes && this.chosen.size >= 7) notice("At most seven runs can be compared: there are seven colours.");
    this.chosen[yes && this.chosen.size < 7 ? "add" : "delete"](name);
    this.link();
  }

  link() {
    const names = [...this.chosen].map(encodeURIComponent).join(",");
    this.compare.textContent = this.chosen.size > 1 ? `Compare ${this.chosen.size} runs` : "Compare";
    this.compare.setAttribute("aria-disabled", this.chosen.size < 2);
    if (this.chosen.size > 1) this.compare.href = `#/compare/${names}`;
    else this.compare.removeAttribute("href");
  }
}
