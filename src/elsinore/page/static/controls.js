// The control buttons of a run in its present state.

import { confirmed } from "./confirm.js";
import { h, notice } from "./dom.js";
import { post } from "./server.js";

const COMMANDS = {
  compiling: ["pause", "stop"], training: ["pause", "save", "stop"], pausing: ["resume", "save", "stop"],
  paused: ["resume", "step", "save", "stop"], stopping: [],
  interrupted: ["continue"],
};
const LABELS = {
  pause: ["Pause", "after the current chunk"], resume: ["Resume", "continue training"], step: ["Step", "train one chunk, then pause"],
  save: ["Save now", "write a checkpoint after the current chunk"], stop: ["Stop", "save a checkpoint and end"],
  continue: ["Continue", "start a process that resumes from the newest checkpoint"],
};

export function controls(name, state, session) {
  return (COMMANDS[state] ?? []).map((command) => {
    const [label, about] = LABELS[command];
    const title = session.may_control ? about : "Open the address that elsinore watch printed: it contains the token";
    return h("button", { class: command === "stop" ? "danger" : command === "resume" ? "primary" : null, "data-command": command, title,
      disabled: !session.may_control, onclick: (event) => perform(name, command, event.currentTarget) }, label);
  });
}

async function perform(name, command, button) {
  const question = "Stop this run? It ends after the current chunk, with a checkpoint, or at once if it compiles, and can be resumed later.";
  if (command === "stop" && !(await confirmed(question, "Stop the run"))) return;
  button.disabled = true;
  try {
    if (command === "continue") await post("start", {}, { resume: name });
    else await post("control", { run: name, command });
    notice(`${name}: ${LABELS[command][1]}`);
  } catch (error) {
    notice(error.message);
  }
  button.disabled = false;
}
