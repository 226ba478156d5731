// A replay as it comes from the server: its scenes, some of them asked for before they are needed.

import { get } from "./server.js";

const AHEAD = 60; // scenes

export class Film {
  /** `who` is `{agent}` where one of several agents is looked at, else empty. */
  constructor(run, replay, who = {}) {
    Object.assign(this, { run, replay, who, scenes: [], length: 0, pace: 10, asked: new Map() });
  }

  /** The time of the last scene. */
  get last() {
    return this.length - 1;
  }

  /** Ask for the scenes from `first` on, once. Throws what the server says against it. */
  fetch(first) {
    if (!this.asked.has(first)) this.asked.set(first, this.read(first));
    return this.asked.get(first);
  }

  async read(first) {
    try {
      const told = await get("replay", { run: this.run, replay: this.replay, first, ...this.who });
      Object.assign(this, { length: told.length, pace: told.steps_per_second ?? this.pace });
      told.scenes.forEach((scene, i) => (this.scenes[told.first + i] = scene));
    } catch (error) {
      this.asked.delete(first); // whoever tries again may have more luck
      throw error;
    }
  }

  /** The scene at a time, or the last one; where it has not come yet the nearest before it, and `come()` is called
   *  once it has, or `failed(error)`. */
  at(time, come, failed) {
    const now = Math.min(time, this.last);
    if (!this.scenes[now]) this.fetch(now).then(come, failed);
    else if (!this.scenes[Math.min(now + AHEAD, this.last)]) this.fetch(firstMissing(this.scenes, now)).catch(failed);
    return this.scenes[now] ?? this.scenes.slice(0, now).findLast(Boolean);
  }
}

function firstMissing(scenes, from) {
  let i = from;
  while (scenes[i]) i++;
  return i;
}
