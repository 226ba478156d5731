// The list of runs.

import { deleted, renamed, tagged } from "./changes.js";
import { h, morph } from "./dom.js";
import { ago, natural, number, seedCount, short, whole } from "./format.js";
import { startDialog } from "./start_dialog.js";
import { chip, LIVE, progress, sparkline, stateLabel } from "./widgets.js";

// What each column sorts by.
const KEYS = {
  Run: (run) => run.name, State: (run) => run.state, Environment: (run) => run.env && `${run.env} ${run.algo}`,
  Progress: (run) => run.updates && run.update / run.updates, Return: (run) => run.return, "Steps/s": (run) => run.speed, Changed: (run) => run.time,
};
const MOST = 7; // runs in a comparison: there are seven colours
const FALLING = ["Progress", "Return", "Steps/s", "Changed"]; // the greatest first

const NO_TOKEN = "Open the address that elsinore watch printed: it contains the token";

export class RunList {
  constructor(runs, skipped, session) {
    Object.assign(this, { runs, skipped, session, chosen: new Set(), rows: new Map(), filter: "", state: "", sort: "Changed", up: false });
    this.body = h("tbody");
    this.compare = h("a", { class: "button", role: "button", "aria-disabled": "true" }, "Compare");
    const change = (text, about, onclick) => h("button", { title: session.may_control ? about : NO_TOKEN, disabled: true, onclick }, text);
    this.one = [change("Rename", "Give the chosen run another name", () => this.rename()),
      change("Tags", "Change the tags of the chosen run", () => this.tag())];
    this.trash = change("Delete", "Move the chosen runs to the trash", () => this.remove());
    this.empty = h("p", { class: "empty" });
    this.unread = h("ul", { class: "unread", "aria-label": "What cannot be shown" });
    this.table = h("table", { class: "runs" },
      h("caption", { class: "unseen" }, "Runs; a heading sorts them"), h("thead", {}, this.heads = h("tr")), this.body);
    const search = h("input", { type: "search", placeholder: "Filter by name, tag, environment or algorithm",
      "aria-label": "Filter the runs", oninput: (event) => this.narrow(event.target.value) });
    const states = h("select", { "aria-label": "Show runs in the state", onchange: (event) => this.only(event.target.value) },
      [["", "any state"], ["live", "running"], ...["converged", "plateau", "diverged", "budget", "interrupted"].map((state) => [state, stateLabel(state)])]
        .map(([value, text]) => h("option", { value }, text)));
    const start = h("button", { class: "primary", disabled: !session.may_control, onclick: () => startDialog(session),
      title: session.may_control ? null : NO_TOKEN }, "Start a run");
    this.element = h("section", { class: "list" },
      h("div", { class: "head" }, h("h1", {}, "Runs"), h("p", { class: "where" }, session.folder)),
      h("div", { class: "toolbar" }, search, states, h("span", { class: "buttons", role: "group", "aria-label": "Chosen runs" }, this.compare, this.one, this.trash), start), this.table, this.empty, this.unread);
    this.list(runs, skipped);
  }

  narrow(text) {
    this.filter = text.toLowerCase();
    this.list(this.runs, this.skipped);
  }

  only(state) {
    this.state = state;
    this.list(this.runs, this.skipped);
  }

  /** Sort by a column; once more turns the order. */
  order(name) {
    Object.assign(this, this.sort === name ? { up: !this.up } : { sort: name, up: !FALLING.includes(name) });
    this.list(this.runs, this.skipped);
    [...this.heads.querySelectorAll("button")].find((button) => button.textContent === name).focus();
  }

  headings() {
    const mark = (name) => (name === this.sort ? (this.up ? "ascending" : "descending") : null);
    return ["", ...Object.keys(KEYS)].map((name, i) => h("th", { scope: "col", class: i > 4 ? "num" : null, "aria-sort": mark(name) },
      name ? h("button", { class: "sort", onclick: () => this.order(name) }, name) : h("span", { class: "unseen" }, "Compare")));
  }

  /** Runs that fit the filters, in the chosen order; those without a value are last. */
  shown() {
    const fits = (run) => [run.name, run.env, run.algo, ...(run.tags ?? [])].join(" ").toLowerCase().includes(this.filter)
      && (!this.state || run.state === this.state || (this.state === "live" && LIVE.includes(run.state)));
    const key = KEYS[this.sort], sign = this.up ? 1 : -1;
    const compare = (a, b) => (typeof a === "string" ? natural(a, b) : a - b);
    const keyed = (this.runs ?? []).filter(fits).map((run) => [key(run) ?? null, run]);
    return keyed.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : sign * compare(a, b))).map(([, run]) => run);
  }

  /** Show the runs; null until the server has sent them. */
  list(found, skipped) {
    const runs = found ?? [];
    Object.assign(this, { runs: found, skipped });
    if (this.sorted !== `${this.sort}${this.up}`) this.heads.replaceChildren(...this.headings());
    this.sorted = `${this.sort}${this.up}`;
    const shown = this.shown();
    this.fill(shown);
    this.table.hidden = !shown.length;
    this.empty.textContent = shown.length ? "" : found === null ? "Loading the runs…" : runs.length ? "No run matches the filter."
      : "No runs here yet. Start one above, or with elsinore train CartPole-v1.";
    const reasons = [...runs.flatMap((run) => (run.unread ?? []).map((reason) => [run.name, reason])), ...Object.entries(skipped)];
    this.unread.replaceChildren(...reasons.map(([name, reason]) => h("li", {}, h("b", {}, name), `: ${reason}`)));
    const names = new Set(runs.map((run) => run.name));
    for (const name of this.chosen) if (!names.has(name)) this.chosen.delete(name);
    this.link();
  }

  /** Fill the table. The row of a run stays the same element, so that a click that has begun on it ends on it. */
  fill(shown) {
    const focus = document.activeElement;
    const before = this.rows;
    this.rows = new Map(shown.map((run) => [run.name, this.kept(before.get(run.name), this.row(run))]));
    for (const [name, row] of before) if (!this.rows.has(name)) row.remove();
    [...this.rows.values()].forEach((row, i) => {
      const there = this.body.children[i];
      if (there !== row) this.body.insertBefore(row, there ?? null);
    });
    if (this.body.contains(focus)) focus.focus({ preventScroll: true }); // its row may have moved
  }

  /** The row of a run that is there already, changed into the next one; else the next one. */
  kept(row, next) {
    if (row) morph(row, next);
    return row ?? next;
  }

  row(run) {
    const box = h("input", { type: "checkbox", "data-run": run.name, checked: this.chosen.has(run.name),
      "aria-label": `Compare ${run.name}`, onchange: (event) => this.choose(run.name, event.target.checked) });
    const link = h("a", { href: `#/run/${encodeURIComponent(run.name)}` }, run.name);
    const cell = (label, ...content) => h("td", { "data-label": label, class: "num" }, ...content);
    if (run.error) return h("tr", { class: "broken" }, h("td", {}, box), h("th", { scope: "row" }, link), h("td", { colspan: 6 }, run.error));
    const seeds = run.seeds > 1 ? ` · ${seedCount(run)}` : "";
    return h("tr", {},
      h("td", { class: "pick" }, box), h("th", { scope: "row" }, link, tags(run)), h("td", { "data-label": "State" }, chip(run.state)),
      h("td", { "data-label": "Environment" }, run.env ?? "–", h("span", { class: "sub" }, `${run.algo ?? ""}${seeds}`)),
      h("td", { "data-label": "Progress" }, progress(run), h("span", { class: "sub" }, run.budget || `${short(run.env_steps)} of ${short(run.total_env_steps)} steps`)),
      cell("Return", h("span", { class: "scored" }, sparkline(run.sparkline), h("b", {}, number(run.return)))), cell("Steps/s", whole(run.speed)), cell("Changed", ago(run.time)));
  }

  choose(name, yes) {
    this.chosen[yes ? "add" : "delete"](name);
    this.link();
  }

  async rename() {
    const [name] = this.chosen;
    if (await renamed(name)) this.forget([name]);
  }

  async tag() {
    const [name] = this.chosen;
    await tagged(name, this.runs.find((run) => run.name === name)?.tags ?? []);
  }

  async remove() {
    this.forget(await deleted([...this.chosen]));
  }

  /** Take runs that are gone out of the list; the next message brings the list without them. */
  forget(names) {
    for (const name of names) this.chosen.delete(name);
    this.list(this.runs.filter((run) => !names.includes(run.name)), this.skipped);
  }

  link() {
    const { size } = this.chosen;
    const names = [...this.chosen].map(encodeURIComponent).join(",");
    const some = size > 1 && size <= MOST;
    this.compare.textContent = size > 1 ? `Compare ${size} runs` : "Compare";
    this.compare.title = size > MOST ? `At most ${MOST} runs can be compared: there are ${MOST} colours` : "";
    this.compare.setAttribute("aria-disabled", !some);
    if (some) this.compare.href = `#/compare/${names}`;
    else this.compare.removeAttribute("href");
    for (const button of this.one) button.disabled = size !== 1 || !this.session.may_control;
    this.trash.disabled = !size || !this.session.may_control;
  }
}

/** The tags of a run, below its name. */
function tags(run) {
  return run.tags?.length ? h("span", { class: "tags" }, run.tags.map((tag) => h("i", {}, tag))) : "";
}
