// One run: how it stands, its curves, its agents living, its seeds, plan, events and numbers.

import { Agents } from "./agents.js";
import { controls } from "./controls.js";
import { fillLike, h, setText } from "./dom.js";
import { duration, moment, number, short, whole } from "./format.js";
import { Panel } from "./panel.js";
import { chip, progress, table, tile, word } from "./pieces.js";
import { address, get } from "./server.js";
import { newest, summary } from "./statistics.js";

const TABS = ["Curves", "Agents", "Seeds", "Plan", "Events", "Numbers"];
const ROWS = 200; // of the table on the page; the file has all

export class RunPage {
  /** `part` is what stands after the run's name in the address: a tab, and of agents the replays to begin with. */
  constructor(run, session, [tab, ...replays] = []) {
    Object.assign(this, { run, session, about: null, panel: new Panel([run]), agents: new Agents(run.name, replays) });
    this.state = h("span", { class: "state" });
    this.acts = h("div", { class: "acts", role: "group", "aria-label": "Controls" });
    this.bar = h("div", { class: "bar" });
    this.tiles = h("dl", { class: "tiles" });
    this.fault = h("p", { class: "fault", role: "status" });
    this.remedy = h("p", { class: "remedy", role: "status" });
    this.body = h("div", { class: "body", role: "tabpanel", id: "tabpanel" });
    this.element = h("article", { class: "run" },
      h("div", { class: "head" }, h("h1", {}, run.name), this.state, this.acts), this.bar, this.fault, this.remedy, this.tiles,
      this.tabs(), this.body);
    this.open(TABS.includes(tab) ? tab : TABS[0]);
  }

  tabs() {
    this.buttons = TABS.map((name) => h("button", { role: "tab", id: `tab-${name}`, "aria-controls": "tabpanel",
      onclick: () => this.turn(name), onkeydown: (event) => this.move(event) }, name));
    return h("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the run" }, this.buttons);
  }

  move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = TABS[(TABS.indexOf(this.tab) + step + TABS.length) % TABS.length];
    this.turn(next);
    this.buttons[TABS.indexOf(next)].focus();
  }

  /** Open a tab, so that the same address opens it again. */
  turn(name) {
    this.open(name);
    history.replaceState(null, "", `#/run/${encodeURIComponent(this.run.name)}${name === TABS[0] ? "" : `/${name}`}`);
  }

  open(name) {
    this.tab = name;
    for (const button of this.buttons) {
      const mine = button.textContent === name;
      button.setAttribute("aria-selected", mine);
      button.tabIndex = mine ? 0 : -1;
      if (mine) button.scrollIntoView({ block: "nearest", inline: "center" });
    }
    this.body.setAttribute("aria-labelledby", `tab-${name}`);
    this.agents.shown(name === "Agents");
    this.element.classList.toggle("living", name === "Agents");
    this.fill();
    if (["Seeds", "Plan"].includes(name)) this.read();
  }

  /** What changes seldom is asked for when it is looked at. */
  async read() {
    try {
      this.about = await get("run", { run: this.run.name });
    } catch (error) {
      this.run.error = error.message;
    }
    this.fill();
  }

  fill() {
    const element = { Curves: () => this.panel.element, Agents: () => this.agents.element, Seeds: () => this.seeds(),
      Plan: () => this.plan(), Events: () => this.events(), Numbers: () => this.numbers() }[this.tab]();
    const place = this.body.querySelector(".scroll");
    const [top, left] = [place?.scrollTop ?? 0, place?.scrollLeft ?? 0];
    if (this.body.firstElementChild !== element) this.body.replaceChildren(element);
    const now = this.body.querySelector(".scroll");
    if (now) Object.assign(now, { scrollTop: top, scrollLeft: left });
    if (this.tab === "Curves") this.panel.draw();
  }

  /** Something is new. */
  changed(run, message) {
    this.head();
    if (message.news || message.overview) {
      if (this.tab === "Curves") this.panel.soon();
      else if (["Seeds", "Events", "Numbers"].includes(this.tab)) this.fill();
    }
  }

  head() {
    const { line, error } = this.run;
    const waiting = error?.startsWith("there is no run") ? "Waiting for the run to begin." : error ?? "";
    setText(this.fault, waiting);
    if (!line) return;
    const shown = line.state + this.session.may_act;
    if (shown !== this.controlled) {
      this.controlled = shown;
      this.state.replaceChildren(chip(line.state));
      this.acts.replaceChildren(...controls(this.run.name, line.state, this.session));
      this.remedy.replaceChildren(...(line.state === "interrupted" ? this.goesOn() : []));
    }
    fillLike(this.bar, [progress(line)]);
    fillLike(this.tiles, this.facts(line));
  }

  /** What to type where no process trains the run any more. */
  goesOn() {
    const path = `${this.session.folder}/${this.run.name}`;
    const quoted = /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
    return ["It has been interrupted and can go on where it was: ", h("code", {}, `elsinore train --resume ${quoted}`)];
  }

  facts(line) {
    const of = (name) => summary(newest(this.run.curves.get(name)));
    const { mean, low, high } = of("eval/return");
    const seeds = low === null ? (line.seeds > 1 ? `mean of ${line.seeds} seeds` : "one seed") : `95 %: ${number(low)} to ${number(high)}, ${line.seeds} seeds`;
    const left = line.seconds_left ?? null;
    const stage = this.run.curves.has("curriculum/stage") ? newest(this.run.curves.get("curriculum/stage")) : null;
    return [
      tile("Evaluation", number(mean), seeds),
      tile("Training return", number(of("episode/return").mean), "of finished episodes"),
      tile("Env steps", short(line.env_steps), `of ${short(line.total_env_steps)} a seed`),
      tile("Speed", line.speed ? `${short(line.speed)}/s` : "–", "steps of all seeds"),
      left === null ? tile("Trained for", duration(this.run.clock.seconds.at(-1)), "without compiling") : tile("Time left", duration(left), "at most"),
      stage ? tile("Stage", number(Math.min(...stage)), "of the seed furthest behind") : "",
    ].filter(Boolean);
  }

  seeds() {
    const curve = this.run.curves.get("eval/return");
    const summary = this.about?.summary ?? {};
    const steps = this.run.info.steps_per_update ?? 1;
    const first = this.run.info.first_seed ?? 0;
    const rows = [...(curve?.seeds ?? [])].map(([seed, { mean }]) => {
      const last = mean.findLastIndex((x) => x !== null);
      const ended = Object.entries({ converged: "converged_at_env_steps", "at a plateau": "plateau_at_env_steps", diverged: "diverged_at_env_steps" })
        .map(([how, key]) => [how, summary[key]?.[seed - first]]).find(([, at]) => at !== null && at !== undefined);
      const stopped = curve.update[last] < curve.update.at(-1);
      const how = ended ? `${ended[0]} at ${whole(ended[1])}` : stopped ? `frozen after ${whole(curve.update[last] * steps)}` : "learning";
      return [`seed ${seed}`, number(mean[last]), whole(curve.update[last] * steps), ended || stopped || !summary.stopped_by ? how : word(summary.stopped_by)];
    });
    return h("section", {}, h("h2", {}, "Each seed"),
      table("Each seed's newest evaluation and how far it has come", ["Seed", "Evaluation", "Env steps", "How it stands"], rows),
      h("h2", {}, "Checkpoints"), this.checkpoints(steps));
  }

  checkpoints(steps) {
    const rows = (this.about?.checkpoints ?? []).map(({ name, update, time, metric }) => [
      name, whole(update * steps), metric ? `${number(metric.value)}` : "–", time ? moment(time) : "–"]);
    return rows.length ? table("Checkpoints, the newest first", ["Checkpoint", "Env steps", "Evaluation", "Saved"], rows)
      : h("p", { class: "note" }, "No checkpoint yet.");
  }

  plan() {
    const { plan = [], config = "", log = [] } = this.about ?? {};
    return h("section", { class: "texts" },
      h("h2", {}, "Plan"), h("pre", { tabindex: 0 }, plan.join("\n") || "The run's log does not say."),
      h("h2", {}, "Config, every default written out"), h("pre", { tabindex: 0 }, config),
      h("h2", {}, "Log"), h("pre", { tabindex: 0 }, log.join("\n")));
  }

  events() {
    const steps = this.run.info.steps_per_update ?? 1;
    const rows = [...this.run.events].reverse().map(([at, update, kind, text]) => [moment(at), whole(update * steps), kind, text]);
    return h("section", {}, h("h2", {}, "Events"),
      rows.length ? table("Events, the newest first", ["When", "Env steps", "What", ""], rows, false) : h("p", { class: "note" }, "Nothing yet."));
  }

  numbers() {
    const names = ["eval/return", "eval/length", "episode/return", "episode/length", "loss/policy", "loss/value"].filter((name) => this.run.curves.has(name));
    const ends = this.run.curves.get(names[0])?.update.slice(-ROWS).reverse() ?? [];
    const at = (name, seed, update) => {
      const curve = this.run.curves.get(name);
      return curve.seeds.get(seed)?.mean[curve.update.indexOf(update)] ?? null;
    };
    const seeds = [...(this.run.curves.get(names[0])?.seeds.keys() ?? [])];
    const steps = this.run.info.steps_per_update ?? 1;
    const rows = ends.flatMap((update) => seeds.map((seed) => [whole(update * steps), seed, ...names.map((name) => number(at(name, seed, update)))]))
      .filter((row) => row[2] !== "–").slice(0, ROWS);
    return h("section", { class: "numbers" }, h("div", { class: "head" }, h("h2", {}, "Numbers"),
      h("a", { class: "button", href: address("api/csv", { run: this.run.name }), download: "" }, "Download all as CSV")),
    table(`The newest ${ROWS} evaluations with what stood beside them`, ["Env steps", "Seed", ...names], rows));
  }

  repaint() {
    this.panel.draw();
    this.agents.repaint();
  }

  destroy() {
    this.panel.destroy();
    this.agents.shown(false);
  }
}
