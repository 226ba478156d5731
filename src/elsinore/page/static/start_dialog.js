// The dialog that starts a run, after showing its plan.

import { h } from "./dom.js";
import { post } from "./server.js";
import { SettingsPicker } from "./settings_picker.js";

export function startDialog(session) {
  const field = (label, input, about = "") => h("label", { class: "field" }, h("span", {}, label), input, about ? h("small", {}, about) : "");
  const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);
  const plan = h("pre", { class: "plan", tabindex: 0, role: "status", "aria-label": "Plan" }, "Show the plan first.");
  const planning = h("button", { type: "button", "data-command": "plan" }, "Show the plan");
  const starting = h("button", { type: "button", class: "primary", "data-command": "start", disabled: true }, "Start");
  const picker = new SettingsPicker(() => (starting.disabled = true));
  const reload = () => picker.load(env.value.trim(), algo.value);
  const names = h("datalist", { id: "envs" }, session.envs.map((value) => h("option", { value })));
  const env = h("input", { name: "env", list: "envs", value: "CartPole-v1", autocomplete: "off", spellcheck: "false", onchange: reload });
  const algo = h("select", { name: "algo", onchange: reload });
  const seeds = h("input", { name: "seeds", type: "number", min: 1, value: 1 });
  const name = h("input", { name: "name", autocomplete: "off", placeholder: "optional" });
  const set = h("textarea", { name: "set", rows: 2, placeholder: "wrappers=[{time_limit: 200}]", spellcheck: "false" });
  const yaml = h("textarea", { name: "yaml", rows: 4, placeholder: "algo: {gamma: 0.98}", spellcheck: "false" });
  const form = h("form", { method: "dialog", oninput: () => (starting.disabled = true) },
    field("Environment", env), names, field("Algorithm", algo), field("Seeds", seeds), field("Name", name), picker.element,
    h("details", {}, h("summary", {}, "Settings as text"),
      field("More settings, one per line", set), field("YAML", yaml, "as for --config; the fields above win")));
  const dialog = h("dialog", { class: "start", "aria-labelledby": "start-title", onclose: () => dialog.remove() },
    h("h2", { id: "start-title" }, "Start a run"), form, plan,
    h("div", { class: "buttons" }, h("button", { type: "button", onclick: () => dialog.close() }, "Close"), planning, starting));

  // those with a preset for the environment say so
  const algorithms = () => {
    const chosen = algo.value || "ppo";
    algo.replaceChildren(...session.algos.map((value) => h("option", { value, selected: value === chosen },
      session.presets.includes(`${value}/${env.value.trim()}`) ? `${value} (preset)` : value)));
  };
  const settings = () => ({
    env: env.value.trim(), algo: algo.value, seeds: Number(seeds.value) || 1, name: name.value.trim(), yaml: yaml.value.trim(),
    set: [...picker.assignments(), ...lines(set.value)],
  });
  const ask = async (what, button, done) => {
    const asked = settings();
    button.disabled = true;
    plan.textContent = what === "plan" ? "Planning…" : `${plan.textContent.trim()}\n\nStarting…`;
    try {
      done(await post(what, {}, asked), asked);
    } catch (error) {
      plan.textContent = error.message;
    }
    planning.disabled = false;
  };
  env.addEventListener("change", algorithms);
  planning.addEventListener("click", () => ask("plan", planning, (answer, asked) => {
    plan.textContent = answer.plan;
    starting.disabled = JSON.stringify(asked) !== JSON.stringify(settings()); // changed meanwhile
  }));
  starting.addEventListener("click", () => ask("start", starting, (answer) => {
    dialog.close();
    location.hash = `#/run/${encodeURIComponent(answer.run)}`;
  }));
  algorithms();
  reload();
  document.body.append(dialog);
  dialog.showModal();
}
