// Where we are, and what is shown there: `#/` the list, `#/run/NAME` a run, `#/compare/NAME,NAME` several;
// `#/run/NAME/TAB` a part of a run, `#/run/NAME/Agents/REPLAY/REPLAY` an agent beside another.

import { Run } from "./curves.js";
import { h, notice, setText } from "./dom.js";
import { List } from "./list.js";
import { Comparison } from "./comparison.js";
import { RunPage } from "./run.js";
import { Line, get } from "./server.js";

const main = document.getElementById("main");
const state = { session: null, view: null, runs: new Map(), list: [] };

/** The runs that are shown are told of from where we have come to. */
function wishes() {
  const watch = [...state.runs.values()].filter((run) => run.cursor >= 0 || run.fresh);
  return { list: true, watch: watch.map(({ name, cursor, heard }) => ({ run: name, update: cursor, heard })) };
}

function told(message) {
  if (message.runs) {
    state.list = message.runs;
    state.view?.list?.(message.runs);
    return;
  }
  const run = state.runs.get(message.run);
  if (!run) return;
  if (message.error) run.error = message.error;
  if (message.line) Object.assign(run, { line: message.line, error: message.line.error ?? null });
  if (message.news && run.hear(message.news)) overview(run);
  state.view?.changed?.(run, message);
}

const line = new Line(wishes, told, (how) => {
  const place = document.getElementById("connection");
  setText(place, how === "live" ? "live" : "connection lost, trying again");
  place.dataset.state = how;
});

const PATIENCE = 3000; // milliseconds until a sample may have become the whole

/** Read a run's numbers from the beginning, then be told what comes after. */
async function overview(run) {
  if (run.reading) return;
  run.reading = true;
  try {
    run.take(await get("curves", { run: run.name }));
    run.error = null;
  } catch (error) {
    run.error = error.message;
  }
  run.reading = false;
  run.fresh = true;
  if (state.runs.get(run.name) !== run) return;
  state.view?.changed?.(run, { overview: true });
  line.ask();
  if (run.sampled) setTimeout(() => state.runs.get(run.name) === run && overview(run), PATIENCE);
}

function shown(names) {
  state.runs = new Map(names.map((name) => [name, state.runs.get(name) ?? new Run(name)]));
  const runs = [...state.runs.values()];
  for (const run of runs) overview(run);
  line.ask();
  return runs;
}

function route() {
  const [, kind, rest = "", ...part] = location.hash.split("/");
  const names = kind === "compare" ? rest.split(",").map(decodeURIComponent) : kind === "run" ? [decodeURIComponent(rest)] : [];
  state.view?.destroy?.();
  const runs = shown(names);
  state.view = kind === "run" ? new RunPage(runs[0], state.session, part.map(decodeURIComponent))
    : kind === "compare" ? new Comparison(runs) : new List(state.list, state.session);
  main.replaceChildren(state.view.element);
  crumbs(kind, names);
  state.view.list?.(state.list);
  for (const run of runs) if (run.line || run.cursor >= 0) state.view.changed?.(run, { overview: true });
}

function crumbs(kind, names) {
  const here = kind === "run" ? names[0] : kind === "compare" ? `${names.length} runs compared` : null;
  document.title = here ? `${here} · elsinore` : "elsinore";
  document.getElementById("crumbs").replaceChildren(
    h("a", { href: "#/", class: "mark" }, "elsinore"),
    here ? h("span", { class: "here", "aria-current": "page" }, here) : "");
}

async function begin() {
  try {
    state.session = await get("session");
  } catch (error) {
    notice(error.message);
    setTimeout(begin, 2000);
    return;
  }
  addEventListener("hashchange", route);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => state.view?.repaint?.());
  route();
}

globalThis.elsinore = { drop: () => line.drop() }; // as a network would: for trying out what happens
begin();
