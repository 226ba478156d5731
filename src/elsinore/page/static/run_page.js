// The page of one run: its state and tabs.

import { controls } from "./controls.js";
import { CurvesPanel } from "./curves_panel.js";
import { fillLike, h, setText } from "./dom.js";
import { dateTime, duration, number, seedCount, short, whole } from "./format.js";
import { ReplayPlayer } from "./replay_player.js";
import { address, get } from "./server.js";
import { newest, summary } from "./statistics.js";
import { chip, LIVE, progress, stateLabel, table, tile } from "./widgets.js";

const TABS = ["Curves", "Agents", "Seeds", "Plan", "Events", "Numbers"];
const SETTINGS = 8; // that differ from the defaults, in the header

export class RunPage {
  /** The array is the address after the run's name: a tab, and for Agents the replays to open. */
  constructor(run, session, [tab, ...replays] = []) {
    Object.assign(this, { run, session, details: null, panel: new CurvesPanel([run]), player: new ReplayPlayer(run.name, replays) });
    this.state = h("span", { class: "state" });
    this.controls = h("div", { class: "buttons", role: "group", "aria-label": "Controls" });
    this.about = h("p", { class: "about" });
    this.changes = h("p", { class: "about" });
    this.lineage = h("p", { class: "note" });
    this.bar = h("div", { class: "bar" });
    this.tiles = h("dl", { class: "tiles" });
    this.fault = h("p", { class: "fault", role: "status" });
    this.remedy = h("p", { class: "remedy", role: "status" });
    this.body = h("div", { class: "body", role: "tabpanel", id: "tabpanel" });
    this.element = h("article", { class: "run" },
      h("div", { class: "head" }, h("h1", {}, run.name), this.state, this.controls), this.about, this.lineage, this.changes, this.bar, this.fault, this.remedy, this.tiles,
      this.tabs(), this.body);
    this.panel.ondraw = () => this.run.status && fillLike(this.tiles, this.facts(this.run.status));
    this.open(TABS.includes(tab) ? tab : TABS[0]);
    this.loadDetails();
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

  /** Open a tab and put it in the address. */
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
    this.player.shown(name === "Agents");
    this.element.classList.toggle("replaying", name === "Agents");
    this.fill();
    if (["Seeds", "Plan"].includes(name)) this.loadDetails();
    if (name === "Numbers") this.loadNumbers();
  }

  /** Load the details, which change rarely, when a tab shows them. */
  async loadDetails() {
    try {
      this.details = await get("run", { run: this.run.name });
    } catch (error) {
      this.run.error = error.message;
    }
    this.fill();
    this.head(); // of a run that has ended no further message comes
  }

  fill() {
    const element = { Curves: () => this.panel.element, Agents: () => this.player.element, Seeds: () => this.seeds(),
      Plan: () => this.plan(), Events: () => this.events(), Numbers: () => this.numbers() }[this.tab]();
    const place = this.body.querySelector(".scroll");
    const [top, left] = [place?.scrollTop ?? 0, place?.scrollLeft ?? 0];
    if (this.body.firstElementChild !== element) this.body.replaceChildren(element);
    const now = this.body.querySelector(".scroll");
    if (now) Object.assign(now, { scrollTop: top, scrollLeft: left });
    if (this.tab === "Curves") this.panel.draw();
  }

  /** Redraw after a message about the run. */
  changed(run, message) {
    const { run_id } = run.info; // the run may have begun since its page was opened, or be another one of its name
    const another = run_id !== this.known && (this.known || !this.details);
    const report = run.status && reportOf(run.status), before = this.report ?? (this.details && reportOf(this.details));
    if (another || (report && before && report !== before)) this.loadDetails();
    Object.assign(this, { known: run_id, report });
    if (message.updates || message.overview) {
      if (this.tab === "Curves") this.panel.soon();
      else if (this.tab === "Numbers") this.loadNumbers();
      else if (["Seeds", "Events"].includes(this.tab)) this.fill();
    }
    this.head();
  }

  /** Keep the list of runs, for a page of a run that is not there. */
  list(runs) {
    this.runs = runs;
    this.head();
  }

  /** What to say of a run that is not there: it may not have begun, or its name may be mistyped. */
  absent() {
    if (this.run.status) return "This run is no longer here: it was renamed, moved or deleted.";
    const names = this.runs?.map(({ name }) => name) ?? [];
    const shown = names.slice(0, 5).join(", ");
    const here = names.length ? `; here are: ${shown}${names.length > 5 ? " and others, on the list of all runs" : ""}` : "";
    return `Waiting for the run to begin. There is no run ${this.run.name} here yet${here}.`;
  }

  head() {
    const { status, error } = this.run;
    const gone = error?.startsWith("there is no run") ?? false;
    const fault = gone ? this.absent() : error ?? "";
    const unread = this.details?.unread ?? status?.unread ?? [];
    setText(this.fault, [fault, ...unread].filter(Boolean).join(" "));
    if (!status) return;
    const shown = status.state + this.session.may_control + gone;
    if (shown !== this.shownState) {
      this.shownState = shown;
      this.state.replaceChildren(chip(status.state));
      this.controls.replaceChildren(...(gone ? [] : controls(this.run.name, status.state, this.session)));
      this.remedy.replaceChildren(...(status.state === "interrupted" && !gone ? this.resumeCommand() : []));
    }
    setText(this.about, this.origin(status));
    fillLike(this.changes, this.changed_settings());
    setText(this.lineage, status.begins_from ? `Begins from the ${status.begins_from}` : "");
    this.lineage.hidden = !status.begins_from;
    fillLike(this.bar, [progress(status)]);
    // with the charts, so that both show the same moment
    if (this.tab !== "Curves" || !this.panel.waiting) fillLike(this.tiles, this.facts(status));
  }

  /** What the run is, when it began, and the commit of its code. */
  origin({ algo, env, seeds, members }) {
    const begun = this.run.events.find(([, , kind]) => kind === "begin")?.[0];
    const commit = this.run.info.commit;
    return [`${algo ?? "–"} on ${env ?? "–"}`, seedCount({ seeds, members }), begun && `begun ${dateTime(begun)}`,
      commit && `commit ${commit}`].filter(Boolean).join(" · ");
  }

  /** The settings that differ from the defaults (the preset's, where there is one), each with its default. */
  changed_settings() {
    const all = this.details?.changed;
    if (!all?.length) return [all ? "All settings are the defaults." : ""];
    const text = (value) => (typeof value === "string" ? value : JSON.stringify(value) ?? "–");
    const items = all.slice(0, SETTINGS).map(([name, value, usual]) => h("code", { title: `default: ${text(usual)}` }, `${name}=${text(value)}`));
    const more = all.length > SETTINGS ? ` and ${all.length - SETTINGS} more (Plan)` : "";
    return ["Differs from the defaults: ", ...items.flatMap((item) => [item, " "]), more];
  }

  /** The command that resumes an interrupted run. */
  resumeCommand() {
    const path = `${this.session.folder}/${this.run.name}`;
    const quoted = /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
    return ["Interrupted. Resume it with: ", h("code", {}, "elsinore train ", h("span", { class: "whole" }, "--resume"), ` ${quoted}`)];
  }

  facts(status) {
    const of = (name) => summary(newest(this.run, name));
    const count = (name) => newest(this.run, name).filter((value) => value !== null).length;
    const learnt = count("episode/return"), evaluated = count("eval/return");
    const { mean, low, high } = of("eval/return");
    const each = this.run.seedsOfEach, member = this.run.best.name;
    const those = evaluated && evaluated < each ? `${evaluated} of ${each} seeds` : `${each} seeds`;
    const seeds = low === null ? (each > 1 ? `mean of ${those}` : "one seed") : `95 %: ${number(low)} to ${number(high)}, ${those}`;
    const left = status.seconds_left ?? null;
    const stage = this.run.curves.has("curriculum/stage") ? newest(this.run, "curriculum/stage").filter((stage) => stage !== null) : null;
    return [
      tile("Evaluation", number(mean), member ? `${seeds} of the best member, ${member}` : seeds),
      tile("Training return", number(of("episode/return").mean), learnt < each && learnt ? `${learnt} of ${each} seeds, the last to learn` : member ? "of the best member" : "of finished episodes"),
      tile("Env steps", short(status.env_steps), status.budget || `of ${short(status.total_env_steps)} a seed`),
      tile("Speed", status.speed ? `${short(status.speed)}/s` : "–", "steps of all seeds"),
      left === null ? tile("Trained for", duration(this.run.clock.seconds.at(-1)), "without compilation") : tile("Time left", duration(left), "at most"),
      stage ? tile("Stage", number(Math.min(...stage)), "lowest of the seeds that learn") : "",
    ].filter(Boolean);
  }

  seeds() {
    const curve = this.run.curves.get("eval/return");
    const summary = this.details?.summary ?? {};
    const steps = this.run.info.steps_per_update ?? 1;
    const first = this.run.info.first_seed ?? 0;
    const over = summary.stopped_by && !LIVE.includes(this.run.status?.state); // a resumed run has the summary of its last end
    const { stops } = this.run;
    const rows = [...(curve?.seeds ?? [])].map(([seed, { mean }]) => {
      const last = this.run.lastPoint(seed, curve, stops);
      const ended = Object.entries({ converged: "converged_at_env_steps", "at a plateau": "plateau_at_env_steps", diverged: "diverged_at_env_steps" })
        .map(([how, key]) => [how, summary[key]?.[seed - first]]).find(([, at]) => at !== null && at !== undefined);
      const stopped = stops.has(seed);
      const how = ended ? `${ended[0]} at ${whole(ended[1])}` : stopped ? `frozen after ${whole(stops.get(seed) * steps)}` : "learning";
      return [`seed ${this.run.seedName(seed)}`, number(mean[last]), whole(curve.update[last] * steps), ended || stopped || !over ? how : stateLabel(summary.stopped_by)];
    });
    return h("section", {}, h("h2", {}, "Each seed"),
      table("Each seed's newest evaluation and env steps", ["Seed", "Evaluation", "Env steps", "Status"], rows),
      this.agents(), h("h2", {}, "Checkpoints"), this.checkpoints(steps));
  }

  /** The newest returns of each agent that has some of its own. */
  agents() {
    const mean = (name) => number(summary(newest(this.run, name)).mean);
    const rows = this.run.agents.map((agent) => [agent, mean(`eval/return [${agent}]`), mean(`episode/return [${agent}]`)]);
    if (!rows.length) return "";
    return h("div", {}, h("h2", {}, "Each agent"), table("Each agent's newest returns, means over seeds", ["Agent", "Evaluation", "Training return"], rows));
  }

  checkpoints(steps) {
    const rows = (this.details?.checkpoints ?? []).map(({ name, update, time, metric }) => [
      name, whole(update * steps), metric ? `${number(metric.value)}` : "–", time ? dateTime(time) : "–"]);
    return rows.length ? table("Checkpoints, newest first", ["Checkpoint", "Env steps", "Evaluation", "Saved"], rows)
      : h("p", { class: "note" }, "No checkpoint yet.");
  }

  plan() {
    const { plan = [], config = "", log = [] } = this.details ?? {};
    return h("section", { class: "texts" },
      h("h2", {}, "Plan"), h("pre", { tabindex: 0 }, plan.join("\n") || "The run's log has no plan."),
      h("h2", {}, "Config with all defaults"), h("pre", { tabindex: 0 }, config),
      h("h2", {}, "Log"), h("pre", { tabindex: 0 }, log.join("\n")));
  }

  events() {
    const steps = this.run.info.steps_per_update ?? 1;
    const rows = [...this.run.events].reverse().map(([at, update, kind, text]) => [dateTime(at), whole(update * steps), kind, text]);
    return h("section", {}, h("h2", {}, "Events"),
      rows.length ? table("Events, newest first", ["Time", "Env steps", "Event", "About"], rows, false) : h("p", { class: "note" }, "Nothing yet."));
  }

  /** Load the newest numbers until no newer ones have come meanwhile. */
  async loadNumbers() {
    if (this.reading) return;
    this.reading = true;
    try {
      for (let cursor; cursor !== this.run.cursor;) {
        cursor = this.run.cursor;
        this.latest = await get("numbers", { run: this.run.name });
      }
    } catch (error) {
      this.run.error = error.message;
    }
    this.reading = false;
    if (this.tab === "Numbers") this.fill();
    this.head();
  }

  numbers() {
    const { names, rows } = this.latest ?? { names: [], rows: [] };
    const steps = this.run.info.steps_per_update ?? 1;
    const lines = rows.map(([update, seed, ...values]) => [whole(update * steps), this.run.seedName(seed), ...values.map(number)]);
    return h("section", { class: "numbers" }, h("div", { class: "head" }, h("h2", {}, "Numbers"),
      h("a", { class: "button", href: address("api/csv", { run: this.run.name }), download: "" }, "Download all as CSV")),
    table("The newest evaluations with the other metrics of their updates", ["Env steps", "Seed", ...names], lines));
  }

  repaint() {
    this.panel.draw();
    this.player.repaint();
  }

  destroy() {
    this.panel.destroy();
    this.player.shown(false);
  }
}

/** The parts of a run's status with which its details change: its state, and what cannot be read of it. */
function reportOf({ state, unread }) {
  return JSON.stringify([state, unread]);
}
