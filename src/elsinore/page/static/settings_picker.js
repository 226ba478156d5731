// The settings of a run to start: found by words, each with a control that fits its type and domain.

import { h } from "./dom.js";
import { get } from "./server.js";

const USUAL = ["env_steps", "algo.num_envs", "algo.learning_rate", "algo.gamma", "convergence.enabled"]; // shown before a search
const MOST = 12; // found settings that are shown

export class SettingsPicker {
  constructor(onchange) {
    Object.assign(this, { onchange, settings: [], changed: new Map(), loaded: "" });
    this.search = h("input", { type: "search", placeholder: "learning rate, network, evaluation …", autocomplete: "off",
      oninput: (event) => (event.stopPropagation(), this.show()) });
    this.note = h("small", { role: "status" });
    this.rows = h("div", { class: "settings" });
    this.element = h("section", { class: "picker", "aria-label": "Settings" },
      h("label", { class: "field" }, h("span", {}, "Find a setting"), this.search), this.note, this.rows);
  }

  /** Load the settings of an environment and an algorithm, with the values that a run would have by itself. */
  async load(env, algo) {
    const asked = this.loaded = `${env} ${algo}`;
    this.note.textContent = "Loading the settings…";
    try {
      const settings = await get("settings", { env, algo });
      if (this.loaded !== asked) return;
      this.settings = settings;
      this.error = null;
    } catch (error) {
      if (this.loaded !== asked) return;
      Object.assign(this, { settings: [], error: error.message });
    }
    const names = new Set(this.settings.map(({ name }) => name));
    if (!this.error) this.changed = new Map([...this.changed].filter(([name]) => names.has(name)));
    this.show();
  }

  /** The changed settings, as `--set` takes them. */
  assignments() {
    return [...this.changed].map(([name, value]) => `${name}=${value}`);
  }

  /** Those that are changed, then those that have every word of the search. */
  show() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = ({ name, meaning }) => words.length ? words.every((word) => `${name} ${meaning}`.toLowerCase().includes(word)) : USUAL.includes(name);
    const found = this.settings.filter((one) => !this.changed.has(one.name) && fits(one));
    const mine = this.settings.filter((one) => this.changed.has(one.name));
    this.note.textContent = this.error ?? (found.length > MOST ? `The first ${MOST} of ${found.length} settings.` : words.length && !found.length ? "No other setting has these words." : "");
    this.rows.replaceChildren(...[...mine, ...found.slice(0, MOST)].map((one) => this.row(one)));
  }

  row(one) {
    const id = `setting-${one.name}`;
    return h("div", { class: this.changed.has(one.name) ? "setting changed" : "setting" },
      h("label", { for: id }, one.name), this.control(one, id),
      h("small", { id: `${id}-about` }, [one.meaning, one.domain && !one.choices.length ? `(${one.domain})` : ""].join(" ")));
  }

  control(one, id) {
    const value = this.changed.get(one.name) ?? one.value;
    const attributes = { id, "aria-describedby": `${id}-about`, autocomplete: "off", spellcheck: "false",
      onchange: (event) => this.set(one, event.target.value.trim()) };
    if (one.choices.length) {
      const options = one.choices.includes(one.value) ? one.choices : [one.value, ...one.choices];
      return h("select", attributes, options.map((choice) => h("option", { value: choice, selected: choice === value }, choice)));
    }
    const numeric = /^(int|float|number)/.test(one.type);
    return h("input", { ...attributes, value, inputmode: numeric ? "decimal" : null, placeholder: one.value });
  }

  /** Change a setting; its usual value, or nothing, undoes that. */
  set(one, value) {
    if (value === "" || value === one.value) this.changed.delete(one.name);
    else this.changed.set(one.name, value);
    this.onchange();
    if (value === "") this.show();
  }
}
