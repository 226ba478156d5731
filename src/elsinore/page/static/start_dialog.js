// The dialog that starts a run, after showing its plan.

import { h } from "./dom.js";
import { post } from "./server.js";

export function startDialog(session) {
  const field = (label, input, about = "") => h("label", { class: "field" }, h("span", {}, label), input, about ? h("small", {}, about) : "");
  const names = h("datalist", { id: "presets" }, session.presets.map((value) => h("option", { value })));
  const env = h("input", { name: "env", list: "presets", value: "ppo/CartPole-v1", autocomplete: "off", spellcheck: "false" });
  const seeds = h("input", { name: "seeds", type: "number", min: 1, value: 1 });
  const name = h("input", { name: "name", autocomplete: "off", placeholder: "default: environment and time" });
  const set = h("textarea", { name: "set", rows: 2, placeholder: "algo.gamma=0.98", spellcheck: "false" });
  const yaml = h("textarea", { name: "yaml", rows: 5, placeholder: "env: CartPole-v1", spellcheck: "false" });
  const plan = h("pre", { class: "plan", tabindex: 0, role: "status", "aria-label": "Plan" }, "Show the plan first.");
  const planning = h("button", { "data-command": "plan" }, "Show the plan");
  const starting = h("button", { class: "primary", "data-command": "start", disabled: true }, "Start");
  const form = h("form", { method: "dialog", oninput: () => (starting.disabled = true) },
    field("Preset or environment", env, "leave empty if the YAML has it"), names, field("Seeds", seeds), field("Name", name),
    field("Settings, one per line", set), field("YAML", yaml, "as for --config"));
  const dialog = h("dialog", { class: "start", "aria-labelledby": "start-title", onclose: () => dialog.remove() },
    h("h2", { id: "start-title" }, "Start a run"), form, plan,
    h("div", { class: "buttons" }, h("button", { onclick: () => dialog.close() }, "Close"), planning, starting));

  const settings = () => ({
    env: env.value.trim(), seeds: Number(seeds.value) || 1, name: name.value.trim(), yaml: yaml.value.trim(),
    set: set.value.split("\n").map((line) => line.trim()).filter(Boolean),
  });
  const ask = async (what, button, done) => {
    button.disabled = true;
    plan.textContent = what === "plan" ? "Planning…" : `${plan.textContent.trim()}\n\nStarting…`;
    try {
      done(await post(what, {}, settings()));
    } catch (error) {
      plan.textContent = error.message;
    }
    planning.disabled = false;
  };
  planning.addEventListener("click", () => ask("plan", planning, (answer) => {
    plan.textContent = answer.plan;
    starting.disabled = false;
  }));
  starting.addEventListener("click", () => ask("start", starting, (answer) => {
    dialog.close();
    location.hash = `#/run/${encodeURIComponent(answer.run)}`;
  }));
  document.body.append(dialog);
  dialog.showModal();
}
