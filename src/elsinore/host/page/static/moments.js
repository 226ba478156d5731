// What a replay is of, in words, and a demo's moments beside each other: how far the agent had come at each.

import { h } from "./dom.js";
import { number, short, whole } from "./format.js";

/** When in the training it was recorded. */
export function moment(replay) {
  const episodes = replay.demo?.episodes;
  if (episodes === 0 || (!replay.env_steps && !episodes)) return "untrained";
  return episodes ? `after ${whole(episodes)} episode${episodes > 1 ? "s" : ""}` : `after ${short(replay.env_steps)} steps`;
}

/** A replay in a line. */
export function inALine(replay) {
  if (replay.error) return `${replay.replay}: cannot be read`;
  return `${moment(replay)}, seed ${replay.seed ?? 0}: return ${number(replay.return)} in ${whole(replay.length)} steps`;
}

/** A button for each moment of a demo, with how long the agent lived by then; nothing where there is no demo. */
export function moments(replays, chosen, choose) {
  const all = replays.filter((one) => one.demo);
  const lived = all.map((one) => one.demo.lengths.reduce((a, b) => a + b, 0) / one.demo.lengths.length);
  const longest = Math.max(...lived);
  return all.map((one, i) => h("li", {},
    h("button", { "aria-pressed": String(chosen.includes(one.replay)), onclick: () => choose(one.replay) },
      h("b", {}, moment(one)), h("span", { class: "meter" }, h("i", { css: { width: `${(100 * lived[i]) / longest}%` } })),
      h("small", {}, `lives ${whole(lived[i])} steps, mean of ${one.demo.lengths.length}`))));
}
