// Routes: `#/` the list, `#/run/NAME` a run, `#/run/NAME/TAB` a tab of it, `#/run/NAME/Agents/REPLAY/REPLAY` two
// replays side by side, `#/compare/NAME,NAME` a comparison.

import { Comparison } from "./comparison.js";
import { h, notice, setText } from "./dom.js";
import { RunData } from "./run_data.js";
import { RunList } from "./run_list.js";
import { RunPage } from "./run_page.js";
import { LiveSocket, RELOAD_DELAY, get } from "./server.js";

const main = document.getElementById("main");
const state = { session: null, view: null, runs: new Map(), list: null, skipped: {} };

/** The runs shown, each from the position already loaded. */
function subscription() {
  const watch = [...state.runs.values()].filter((run) => run.cursor >= 0 || run.fresh);
  return { list: true, watch: watch.map(({ name, info, cursor, event }) => ({ run: name, id: info.run_id, update: cursor, event })) };
}

function onMessage(message) {
  if (message.runs) {
    Object.assign(state, { list: message.runs, skipped: message.skipped });
    state.view?.list?.(message.runs, message.skipped);
    return;
  }
  const run = state.runs.get(message.run);
  if (!run) return;
  if (message.error) run.error = message.error;
  if (message.status) Object.assign(run, { status: message.status, error: message.status.error ?? null });
  if (message.updates && run.apply(message.updates)) overview(run);
  state.view?.changed?.(run, message);
}

const socket = new LiveSocket(subscription, onMessage, (how) => {
  const place = document.getElementById("connection");
  setText(place, how === "live" ? "live" : "connection lost, trying again");
  place.dataset.state = how;
});

/** Load a run's overview, then subscribe to what comes after it. */
async function overview(run) {
  if (run.loading) return;
  run.loading = true;
  try {
    run.load(await get("curves", { run: run.name }));
    run.error = null;
  } catch (error) {
    run.error = error.message;
  }
  run.loading = false;
  run.fresh = true;
  if (state.runs.get(run.name) !== run) return;
  state.view?.changed?.(run, { overview: true });
  socket.subscribe();
  if (run.sampled) setTimeout(() => state.runs.get(run.name) === run && overview(run), RELOAD_DELAY);
}

function shown(names) {
  state.runs = new Map(names.map((name) => [name, state.runs.get(name) ?? new RunData(name)]));
  const runs = [...state.runs.values()];
  for (const run of runs) overview(run);
  socket.subscribe();
  return runs;
}

// Text of an address, which a person may have typed: as it is where a % begins no character.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function route() {
  const [, kind, rest = "", ...part] = location.hash.split("/");
  const names = kind === "compare" ? rest.split(",").map(decoded) : kind === "run" ? [decoded(rest)] : [];
  state.view?.destroy?.();
  const runs = shown(names);
  state.view = kind === "run" ? new RunPage(runs[0], state.session, part.map(decoded))
    : kind === "compare" ? new Comparison(runs) : new RunList(state.list, state.skipped, state.session);
  main.replaceChildren(state.view.element);
  crumbs(kind, names);
  state.view.list?.(state.list, state.skipped);
  for (const run of runs) if (run.status || run.cursor >= 0) state.view.changed?.(run, { overview: true });
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

globalThis.elsinore = { drop: () => socket.drop() }; // simulates a lost connection
begin();
