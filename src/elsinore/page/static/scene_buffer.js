// A replay's scenes from the server, prefetched in blocks.

import { get } from "./server.js";

const AHEAD = 60; // scenes prefetched

export class SceneBuffer {
  /** `query` is `{agent}` where one of several agents is shown, else empty. */
  constructor(run, replay, query = {}) {
    Object.assign(this, { run, replay, query, scenes: [], length: 0, pace: 10, requests: new Map() });
  }

  /** The time of the last scene. */
  get last() {
    return this.length - 1;
  }

  /** Request the scenes from `first` on, once. Throws the server's error message. */
  fetch(first) {
    if (!this.requests.has(first)) this.requests.set(first, this.read(first));
    return this.requests.get(first);
  }

  async read(first) {
    try {
      const answer = await get("replay", { run: this.run, replay: this.replay, first, ...this.query });
      Object.assign(this, { length: answer.length, pace: answer.steps_per_second ?? this.pace });
      answer.scenes.forEach((scene, i) => (this.scenes[answer.first + i] = scene));
    } catch (error) {
      this.requests.delete(first); // allows another try
      throw error;
    }
  }

  /** The scene at a step, or the last one; if it is not loaded yet the nearest before it, then `loaded()` or
   *  `failed(error)` is called. */
  at(time, loaded, failed) {
    const now = Math.min(time, this.last);
    if (!this.scenes[now]) this.fetch(now).then(loaded, failed);
    else if (!this.scenes[Math.min(now + AHEAD, this.last)]) this.fetch(firstMissing(this.scenes, now)).catch(failed);
    return this.scenes[now] ?? this.scenes.slice(0, now).findLast(Boolean);
  }
}

function firstMissing(scenes, from) {
  let i = from;
  while (scenes[i]) i++;
  return i;
}
