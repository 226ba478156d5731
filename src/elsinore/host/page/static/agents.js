// Agents living: a run's replays, played like films, one alone or two by one clock.

import { h, setText } from "./dom.js";
import { Film } from "./film.js";
import { whole } from "./format.js";
import { inALine, moment, moments } from "./moments.js";
import { drawScene, tellScene } from "./scene.js";
import { get } from "./server.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];
const LOOK = 4000; // milliseconds between two looks for new replays

export class Agents {
  /** `wanted` are the replays to begin with: one, or one and the one beside it. */
  constructor(name, wanted = []) {
    Object.assign(this, { name, wanted, replays: [], films: [], stages: [], time: 0, playing: false, speed: 1, newest: !wanted.length, visible: false });
    this.choice = h("select", { "aria-label": "Replay", onchange: (event) => this.choose(event.target.value) });
    this.beside = h("select", { "aria-label": "Beside", onchange: () => this.choose(this.choice.value, this.newest) });
    this.who = h("select", { "aria-label": "Agent", onchange: () => this.choose(this.choice.value, this.newest, this.time) });
    this.whose = h("label", { hidden: true }, "Agent ", this.who);
    this.follow = h("input", { type: "checkbox", checked: this.newest, onchange: (event) => this.following(event.target.checked) });
    this.place = h("div", { class: "stages", tabindex: 0, role: "group", "aria-label": "The agents' worlds: space plays, arrows step",
      onkeydown: (event) => this.key(event) });
    this.note = h("p", { class: "note", role: "status" });
    this.moments = h("ol", { class: "moments", "aria-label": "How it got there" });
    this.element = h("section", { class: "agents", "aria-label": "Agents" },
      h("div", { class: "toolbar" }, h("label", {}, "Replay ", this.choice), h("label", {}, "Beside ", this.beside), this.whose,
        h("label", {}, this.follow, " Follow the newest")),
      this.moments, this.note, this.transport(), this.place);
  }

  transport() {
    this.play = h("button", { class: "primary", "data-act": "play", onclick: () => this.toggle() }, "Play");
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

  // Which replays

  /** Nothing moves while nobody looks. */
  shown(visible) {
    this.visible = visible;
    if (visible) {
      this.look();
      this.timer ??= setInterval(() => this.look(), LOOK);
    } else {
      clearInterval(this.timer);
      this.timer = null;
      this.pause();
    }
  }

  /** Look for new replays. */
  async look() {
    if (!this.visible || this.looking) return;
    this.looking = true;
    try {
      const found = await get("replays", { run: this.name });
      if (JSON.stringify(found) !== JSON.stringify(this.replays)) this.list(found);
    } catch (error) {
      setText(this.note, error.message);
    }
    this.looking = false;
  }

  list(found) {
    this.replays = found;
    const good = found.filter((one) => !one.error).map((one) => one.replay);
    const has = (replay) => good.includes(replay);
    const [chosen, other] = [this.choice.value || this.wanted[0], this.beside.value || this.wanted[1]];
    const options = () => found.map((one) => h("option", { value: one.replay, disabled: Boolean(one.error) }, inALine(one)));
    this.choice.replaceChildren(...options());
    this.beside.replaceChildren(h("option", { value: "" }, "nothing"), ...options());
    this.beside.value = has(other) ? other : "";
    const broken = found.flatMap((one) => one.error ?? []);
    setText(this.note, found.length ? broken.join(" ") : "No replay yet. A run records one now and then; see replays in its config.");
    this.buttons.hidden = this.choice.disabled = this.beside.disabled = !good.length;
    const next = this.newest || !has(chosen) ? good.at(-1) : chosen;
    if (!next) return;
    this.choice.value = next;
    if (next !== this.films[0]?.replay) this.choose(next, this.newest);
  }

  following(yes) {
    this.newest = yes;
    const last = this.replays.findLast((one) => !one.error);
    if (yes && last) this.choose(last.replay, true);
  }

  /** Which of several agents in one world is looked at; the one before, where the replay has it. */
  agentsOf(replay) {
    const number = this.told(replay).agents ?? 1;
    if (number !== this.who.length) {
      const before = Math.min(Math.max(this.who.selectedIndex, 0), number - 1);
      this.who.replaceChildren(...Array.from({ length: number }, (_, i) => h("option", { value: i, selected: i === before }, `agent_${i}`)));
    }
    this.whose.hidden = number === 1;
  }

  told(replay) {
    return this.replays.find((one) => one.replay === replay) ?? {};
  }

  film(replay) {
    const number = this.told(replay).agents ?? 1;
    return new Film(this.name, replay, number > 1 ? { agent: Math.min(this.who.value, number - 1) } : {});
  }

  /** Play a replay, and by the same clock the one beside it. */
  async choose(replay, newest = false, at = 0) {
    this.newest = this.follow.checked = newest;
    this.choice.value = replay;
    this.agentsOf(replay);
    const films = [replay, this.beside.value].filter((one, i) => one && (!i || one !== replay)).map((one) => this.film(one));
    this.films = films;
    this.moments.replaceChildren(...moments(this.replays, films.map((film) => film.replay), (one) => this.choose(one)));
    setText(this.note, "Making its world: the first takes a few seconds.");
    try {
      await Promise.all(films.map((film) => film.fetch(0)));
    } catch (error) {
      return this.failed(error);
    }
    if (this.films !== films) return;
    setText(this.note, "");
    this.bar.max = this.last;
    this.arrange();
    this.seek(at);
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.start();
  }

  failed(error) {
    setText(this.note, error.message);
    this.pause();
  }

  /** A stage for each film, the one that was recorded earlier first. */
  arrange() {
    const order = (film) => this.replays.findIndex((one) => one.replay === film.replay);
    const films = [...this.films].sort((a, b) => order(a) - order(b));
    const heading = (film) => films.length > 1 ? moment(this.told(film.replay)) : "";
    this.stages = films.map((film) => ({ film, heading: heading(film), element: h("div", { class: "stage", role: "img" }) }));
    this.place.classList.toggle("two", films.length > 1);
    this.place.replaceChildren(...this.stages.map(({ element }) => element));
  }

  // Playing

  /** The time at which the longest episode ends. */
  get last() {
    return Math.max(...this.films.map((film) => film.last));
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

  /** Sleep until the next scene is due: a browser that is asked for every frame is busy at sixty a second. */
  wait() {
    clearTimeout(this.alarm);
    const frame = () => requestAnimationFrame((now) => this.frame(now));
    this.alarm = setTimeout(frame, this.due + this.period - performance.now());
  }

  get period() {
    return 1000 / (this.films[0].pace * this.speed);
  }

  pause() {
    clearTimeout(this.alarm);
    this.playing = false;
    this.play.textContent = "Play";
    for (const { element, scene } of this.stages) if (scene) tellScene(element, scene);
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

  /** Draw the scenes at a time; whoever's episode is over by then stays as it ended. */
  show(time) {
    if (!this.stages.length) return;
    this.time = Math.min(Math.max(time, 0), this.last);
    for (const stage of this.stages) {
      const { film, heading, element } = stage;
      const again = () => this.films.includes(film) && this.show(this.time);
      const scene = film.at(this.time, again, (error) => this.failed(error));
      if (!scene) continue;
      stage.scene = scene;
      drawScene(element, scene, heading);
      if (!this.playing) tellScene(element, scene); // a screen reader is not told several scenes a second
    }
    this.bar.value = this.time;
    this.bar.setAttribute("aria-valuetext", `step ${this.time} of ${this.last}`);
    setText(this.where, `${whole(this.time)} / ${whole(this.last)}`);
  }

  repaint() {
    this.show(this.time);
  }
}
