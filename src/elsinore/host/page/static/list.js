// The list of runs.

import { h, notice } from "./dom.js";
import { ago, number, short, whole } from "./format.js";
import { chip, progress } from "./pieces.js";
import { startDialog } from "./start.js";

export class List {
  constructor(lines, session) {
    Object.assign(this, { lines, session, chosen: new Set(), filter: "" });
    this.body = h("tbody");
    this.compare = h("a", { class: "button", role: "button", "aria-disabled": "true" }, "Compare");
    this.empty = h("p", { class: "empty" });
    this.table = h("table", { class: "runs" },
      h("caption", { class: "unseen" }, "Runs, the one that changed last first"),
      h("thead", {}, h("tr", {}, ["", "Run", "State", "Environment", "Progress", "Return", "Steps/s", "Changed"]
        .map((text, i) => h("th", { scope: "col", class: i > 4 ? "num" : null }, text || h("span", { class: "unseen" }, "Compare"))))),
      this.body);
    const search = h("input", { type: "search", placeholder: "Filter by name, environment or algorithm",
      "aria-label": "Filter the runs", oninput: (event) => this.narrow(event.target.value) });
    const start = h("button", { class: "primary", disabled: !session.may_act, onclick: () => startDialog(session),
      title: session.may_act ? null : "Open the address that elsinore watch printed: it holds the token" }, "Start a run");
    this.element = h("section", { class: "list" },
      h("div", { class: "head" }, h("h1", {}, "Runs"), h("p", { class: "where" }, session.folder)),
      h("div", { class: "toolbar" }, search, this.compare, start), this.table, this.empty);
    this.list(lines);
  }

  narrow(text) {
    this.filter = text.toLowerCase();
    this.list(this.lines);
  }

  list(lines) {
    this.lines = lines;
    const fits = (line) => [line.name, line.env, line.algo].join(" ").toLowerCase().includes(this.filter);
    const shown = lines.filter(fits);
    const focus = document.activeElement?.dataset?.run;
    this.body.replaceChildren(...shown.map((line) => this.row(line)));
    if (focus) this.body.querySelector(`input[data-run="${CSS.escape(focus)}"]`)?.focus();
    this.table.hidden = !shown.length;
    this.empty.textContent = shown.length ? "" : lines.length ? "No run fits that filter."
      : "No runs here yet. elsinore train CartPole-v1 makes one, or start one above.";
    this.link();
  }

  row(line) {
    const box = h("input", { type: "checkbox", "data-run": line.name, checked: this.chosen.has(line.name),
      "aria-label": `Compare ${line.name}`, onchange: (event) => this.choose(line.name, event.target.checked) });
    const link = h("a", { href: `#/run/${encodeURIComponent(line.name)}` }, line.name);
    const cell = (label, ...content) => h("td", { "data-label": label, class: "num" }, ...content);
    if (line.error) return h("tr", { class: "broken" }, h("td", {}, box), h("th", { scope: "row" }, link), h("td", { colspan: 6 }, line.error));
    const seeds = line.seeds > 1 ? ` · ${line.seeds} seeds` : "";
    return h("tr", {},
      h("td", { class: "pick" }, box), h("th", { scope: "row" }, link), h("td", { "data-label": "State" }, chip(line.state)),
      h("td", { "data-label": "Environment" }, line.env ?? "–", h("span", { class: "sub" }, `${line.algo ?? ""}${seeds}`)),
      h("td", { "data-label": "Progress" }, progress(line), h("span", { class: "sub" }, `${short(line.env_steps)} of ${short(line.total_env_steps)} steps`)),
      cell("Return", h("b", {}, number(line.return))), cell("Steps/s", whole(line.speed)), cell("Changed", ago(line.time)));
  }

  choose(name, yes) {
    if (yes && this.chosen.size >= 7) notice("Seven runs are as many as can be told apart by colour.");
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
