// What can be asked of a run, as buttons that are there when they can do something.

import { confirmed } from "./confirm.js";
import { h, notice } from "./dom.js";
import { post } from "./server.js";

const FOR = {
  compiling: ["pause", "stop"], training: ["pause", "save", "stop"], pausing: ["resume", "save", "stop"],
  paused: ["resume", "step", "save", "stop"], stopping: [],
  interrupted: ["continue"],
};
const ABOUT = {
  pause: ["Pause", "after the chunk at hand"], resume: ["Resume", "go on"], step: ["Step", "train one chunk, then pause"],
  save: ["Save now", "write a checkpoint after the chunk at hand"], stop: ["Stop", "save a checkpoint and end"],
  continue: ["Continue", "start a process that goes on from the newest checkpoint"],
};

export function controls(name, state, session) {
  return (FOR[state] ?? []).map((act) => {
    const [label, about] = ABOUT[act];
    const title = session.may_act ? about : "Open the address that elsinore watch printed: it holds the token";
    return h("button", { class: act === "stop" ? "danger" : act === "resume" ? "primary" : null, "data-act": act, title,
      disabled: !session.may_act, onclick: (event) => perform(name, act, event.currentTarget) }, label);
  });
}

async function perform(name, act, button) {
  const question = "Stop this run? It saves a checkpoint after the chunk at hand, and can be continued later.";
  if (act === "stop" && !(await confirmed(question, "Stop the run"))) return;
  button.disabled = true;
  try {
    if (act === "continue") await post("start", {}, { resume: name });
    else await post("act", { run: name, act });
    notice(`${name}: ${ABOUT[act][1]}`);
  } catch (error) {
    notice(error.message);
  }
  button.disabled = false;
}
