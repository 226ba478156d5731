// Labels of replays by their training progress, and the buttons for a demo's snapshots of the agent.

import { h } from "./dom.js";
import { number, short, whole } from "./format.js";

/** The training progress at which it was recorded. */
export function snapshotLabel(replay) {
  const episodes = replay.demo?.episodes;
  if (episodes === 0 || (!replay.env_steps && !episodes)) return "untrained";
  return episodes ? `after ${whole(episodes)} episode${episodes > 1 ? "s" : ""}` : `after ${short(replay.env_steps)} steps`;
}

/** A one-line description of a replay. */
export function replaySummary(replay) {
  if (replay.error) return `${replay.replay}: cannot be read`;
  return `${snapshotLabel(replay)}, ${replay.replica ?? `seed ${replay.seed ?? 0}`}: return ${number(replay.return)} in ${whole(replay.length)} steps${replay.best ? ", for the best checkpoint" : ""}`;
}

/** One button for each snapshot of a demo, with the mean episode length; none without a demo. */
export function snapshotButtons(replays, chosen, choose) {
  const all = replays.filter((one) => one.demo);
  const lengths = all.map((one) => one.demo.lengths.reduce((a, b) => a + b, 0) / one.demo.lengths.length);
  const longest = Math.max(...lengths);
  return all.map((one, i) => h("li", {},
    h("button", { "aria-pressed": String(chosen.includes(one.replay)), onclick: () => choose(one.replay) },
      h("b", {}, snapshotLabel(one)), h("span", { class: "meter" }, h("i", { css: { width: `${(100 * lengths[i]) / longest}%` } })),
      h("small", {}, `${whole(lengths[i])} steps per episode, mean of ${one.demo.lengths.length}`))));
}
