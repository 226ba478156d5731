// A player for a run's replays: one alone, or two in step.

import { h, setText } from "./dom.js";
import { whole } from "./format.js";
import { describeScene, drawScene } from "./scene.js";
import { SceneBuffer } from "./scene_buffer.js";
import { get } from "./server.js";
import { replaySummary, snapshotButtons, snapshotLabel } from "./snapshots.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];
const POLL_PERIOD = 4000; // milliseconds between two searches for new replays

export class ReplayPlayer {
  /** `wanted` are the replays to open first: one, or two side by side. */
  constructor(name, wanted = []) {
    Object.assign(this, { name, wanted, replays: [], buffers: [], stages: [], time: 0, playing: false, speed: 1, newest: !wanted.length, visible: false });
    this.choice = h("select", { "aria-label": "Replay", onchange: (event) => this.choose(event.target.value) });
    this.other = h("select", { "aria-label": "Side by side with", onchange: () => this.choose(this.choice.value, this.newest) });
    this.agent = h("select", { "aria-label": "Agent", onchange: () => this.choose(this.choice.value, this.newest, this.time) });
    this.agentLabel = h("label", { hidden: true }, "Agent ", this.agent);
    this.follow = h("input", { type: "checkbox", checked: this.newest, onchange: (event) => this.following(event.target.checked) });
    this.place = h("div", { class: "stages", tabindex: 0, role: "group", "aria-label": "Replays: space plays, arrows step",
      onkeydown: (event) => this.key(event) });
    this.note = h("p", { class: "note", role: "status" });
    this.snapshots = h("ol", { class: "snapshots", "aria-label": "Training progress" });
    this.element = h("section", { class: "player", "aria-label": "Agents" },
      h("div", { class: "toolbar" }, h("label", {}, "Replay ", this.choice), h("label", {}, "Side by side with ", this.other), this.agentLabel,
        h("label", {}, this.follow, " Follow the newest")),
      this.snapshots, this.note, this.transport(), this.place);
  }

  transport() {
    this.play = h("button", { class: "primary", "data-command": "play", onclick: () => this.toggle() }, "Play");
    this.bar = h("input", { type: "range", min: 0, max: 0, value: 0, class: "scrub", "aria-label": "Step of the episode",
      oninput: (event) => this.seek(Number(event.target.value)) });
    this.where = h("output", { class: "where" });
    this.pace = h("select", { "aria-label": "Speed", onchange: (event) => (this.speed = Number(event.target.value)) },
      SPEEDS.map((speed) => h("option", { value: speed, selected: speed === 1 }, `${speed}×`)));
    const step = (by, label) => h("button", { "aria-label": label, title: label, onclick: () => this.step(by) }, by < 0 ? "‹" : "›");
    this.buttons = h("div", { class: "transport", role: "group", "aria-label": "Playing" },
      step(-1, "One step back"), this.play, step(1, "One step on"), this.bar, this.where, this.pace);
    return this.buttons;
  }

  // The choice of replays

  /** Pause and stop polling while hidden. */
  shown(visible) {
    this.visible = visible;
    if (visible) {
      this.poll();
      this.timer ??= setInterval(() => this.poll(), POLL_PERIOD);
    } else {
      clearInterval(this.timer);
      this.timer = null;
      this.pause();
    }
  }

  /** Load the list of replays. */
  async poll() {
    if (!this.visible || this.polling) return;
    this.polling = true;
    try {
      const found = await get("replays", { run: this.name });
      const newest = found.findLast((one) => !one.error)?.replay;
      const behind = this.newest && !this.fetching && newest && newest !== this.buffers[0]?.replay; // it came while another was fetched
      if (behind || JSON.stringify(found) !== JSON.stringify(this.replays)) this.list(found);
    } catch (error) {
      setText(this.note, error.message);
    }
    this.polling = false;
  }

  list(found) {
    this.replays = found;
    const good = found.filter((one) => !one.error).map((one) => one.replay);
    const has = (replay) => good.includes(replay);
    const [chosen, other] = [this.choice.value || this.wanted[0], this.other.value || this.wanted[1]];
    const options = () => found.map((one) => h("option", { value: one.replay, disabled: Boolean(one.error) }, replaySummary(one)));
    this.choice.replaceChildren(...options());
    this.other.replaceChildren(h("option", { value: "" }, "nothing"), ...options());
    this.other.value = has(other) ? other : "";
    const broken = found.flatMap((one) => one.error ?? []);
    if (!this.fetching) setText(this.note, found.length ? broken.join(" ") : "No replay yet. Training records one at intervals; see replays in the config.");
    this.buttons.hidden = this.choice.disabled = this.other.disabled = !good.length;
    const best = this.buffers.length ? undefined : found.find((one) => one.best)?.replay; // a run that has ended opens at its best
    if (this.newest && has(best)) return this.choose(best);
    // what is fetched is shown before a newer one is, so that replays that come faster than that are seen, too
    const next = (this.newest && !this.fetching) || !has(chosen) ? good.at(-1) : chosen;
    if (!next) return;
    this.choice.value = next;
    if (next !== this.buffers[0]?.replay) this.choose(next, this.newest);
  }

  following(yes) {
    this.newest = yes;
    const last = this.replays.findLast((one) => !one.error);
    if (yes && last) this.choose(last.replay, true);
  }

  /** List the replay's agents; the agent chosen before stays chosen if the replay has it. */
  listAgents(replay) {
    const number = this.about(replay).agents ?? 1;
    if (number !== this.agent.length) {
      const before = Math.min(Math.max(this.agent.selectedIndex, 0), number - 1);
      this.agent.replaceChildren(...Array.from({ length: number }, (_, i) => h("option", { value: i, selected: i === before }, this.about(replay).agent_names?.[i] ?? `agent_${i}`)));
    }
    this.agentLabel.hidden = number === 1;
  }

  about(replay) {
    return this.replays.find((one) => one.replay === replay) ?? {};
  }

  bufferOf(replay) {
    const number = this.about(replay).agents ?? 1;
    return new SceneBuffer(this.name, replay, number > 1 ? { agent: Math.min(this.agent.value, number - 1) } : {});
  }

  /** Play a replay, in step with the other one if two are chosen. */
  async choose(replay, newest = false, at = 0) {
    this.pause();
    this.stages = []; // what is shown stays in sight, and is not played on
    this.newest = this.follow.checked = newest;
    this.choice.value = replay;
    this.listAgents(replay);
    const shown = [replay, this.other.value].filter((one, i) => one && (!i || one !== replay));
    const buffers = shown.map((one) => this.bufferOf(one));
    this.buffers = this.fetching = buffers;
    this.snapshots.replaceChildren(...snapshotButtons(this.replays, shown, (one) => this.choose(one)));
    setText(this.note, "Building the environment: the first time takes a few seconds.");
    try {
      await Promise.all(buffers.map((buffer) => buffer.fetch(0)));
    } catch (error) {
      return this.failed(error, buffers[0]);
    } finally {
      if (this.fetching === buffers) this.fetching = null;
    }
    if (this.buffers !== buffers) return;
    setText(this.note, "");
    this.bar.max = this.last;
    this.arrange();
    this.seek(at);
    if (at < this.last && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.start();
  }

  /** Show why a buffer has no scenes, unless another replay was chosen since. */
  failed(error, buffer) {
    if (!this.buffers.includes(buffer)) return;
    setText(this.note, error.message);
    this.pause();
  }

  /** One stage for each replay, the earlier recorded one first. */
  arrange() {
    const order = (buffer) => this.replays.findIndex((one) => one.replay === buffer.replay);
    const buffers = [...this.buffers].sort((a, b) => order(a) - order(b));
    const heading = (buffer) => buffers.length > 1 ? snapshotLabel(this.about(buffer.replay)) : "";
    this.stages = buffers.map((buffer) => ({ buffer, heading: heading(buffer), element: h("div", { class: "stage", role: "img" }) }));
    this.place.classList.toggle("two", buffers.length > 1);
    this.place.replaceChildren(...this.stages.map(({ element }) => element));
  }

  // Playing

  /** The last step of the longest episode. */
  get last() {
    return Math.max(...this.buffers.map((buffer) => buffer.last));
  }

  toggle() {
    if (this.playing) this.pause();
    else this.start();
  }

  start() {
    if (!this.stages.length) return;
    if (this.time >= this.last) this.time = 0;
    this.playing = true;
    this.play.textContent = "Pause";
    this.due = performance.now();
    this.wait();
  }

  /** Sleep until the next scene is due; drawing every frame would keep the browser busy at 60 frames a second. */
  wait() {
    clearTimeout(this.alarm);
    const frame = () => requestAnimationFrame((now) => this.frame(now));
    this.alarm = setTimeout(frame, this.due + this.period - performance.now());
  }

  get period() {
    return 1000 / (this.buffers[0].pace * this.speed);
  }

  pause() {
    clearTimeout(this.alarm);
    this.playing = false;
    this.play.textContent = "Play";
    for (const { element, scene } of this.stages) if (scene) describeScene(element, scene);
  }

  frame(now) {
    if (!this.playing || !this.visible) return;
    const steps = Math.floor((now - this.due) / this.period);
    if (steps > 0) {
      this.due += steps * this.period;
      this.show(this.time + steps);
      if (this.time >= this.last) return this.pause();
    }
    this.wait();
  }

  step(by) {
    this.pause();
    this.show(this.time + by);
  }

  seek(time) {
    this.pause();
    this.show(time);
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) this.step(step);
    else if (event.key === " ") this.toggle();
    else return;
    event.preventDefault();
  }

  /** Draw the scenes of a step; an episode that is over by then shows its last one. */
  show(time) {
    if (!this.stages.length) return;
    this.time = Math.min(Math.max(time, 0), this.last);
    for (const stage of this.stages) {
      const { buffer, heading, element } = stage;
      const again = () => this.buffers.includes(buffer) && this.show(this.time);
      const scene = buffer.at(this.time, again, (error) => this.failed(error, buffer));
      if (!scene) continue;
      stage.scene = scene;
      drawScene(element, scene, heading);
      if (!this.playing) describeScene(element, scene); // not several scenes a second to a screen reader
    }
    this.bar.value = this.time;
    this.bar.setAttribute("aria-valuetext", `step ${this.time} of ${this.last}`);
    setText(this.where, `${whole(this.time)} / ${whole(this.last)}`);
  }

  repaint() {
    this.show(this.time);
  }
}
