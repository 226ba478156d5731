// Requests to the server, and the WebSocket on which it sends updates.

export const RELOAD_DELAY = 3000; // milliseconds until the whole of a run's curves may have replaced a sample

/** The address of a request. The browser adds the cookie that shows the owner; no script can read it. */
export function address(path, parameters = {}) {
  return `${path}?${new URLSearchParams(parameters)}`;
}

/** GET an answer. Throws an Error with the server's message if it refuses. */
export async function get(what, parameters = {}) {
  return answerOf(await reached(fetch(address(`api/${what}`, parameters))));
}

/** POST a request. Throws as `get`. */
export async function post(what, parameters = {}, body = undefined) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return answerOf(await reached(fetch(address(`api/${what}`, parameters), { method: "POST", body: text })));
}

async function reached(request) {
  try {
    return await request;
  } catch {
    throw new Error("the page's server does not answer: is elsinore watch still running?");
  }
}

async function answerOf(response) {
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error(text.trim() || `the server answered ${response.status}`);
  }
  if (!response.ok) throw new Error(answer.error ?? `the server answered ${response.status}`);
  return answer;
}

const SOONEST = 500, LATEST = 8000; // milliseconds between two tries to connect

/** A WebSocket that reconnects. `subscription()` returns the runs to watch and the position in each. */
export class LiveSocket {
  constructor(subscription, onmessage, onstate) {
    Object.assign(this, { subscription, onmessage, onstate, wait: SOONEST, closed: false, number: 0, answered: 0 });
    this.connect();
  }

  connect() {
    const url = new URL(address("live"), location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.hash = "";
    this.socket = new WebSocket(url);
    this.socket.onopen = () => {
      this.wait = SOONEST;
      this.onstate("live");
      this.subscribe();
    };
    this.socket.onmessage = (event) => this.received(JSON.parse(event.data));
    this.socket.onclose = () => this.reconnect();
  }

  /** Send the subscription, with a number that the server repeats before it sends anything for it. */
  subscribe() {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(JSON.stringify({ number: ++this.number, ...this.subscription() }));
  }

  /** Leave out what is for an older subscription: it begins at another position, and the newest brings it again. */
  received(message) {
    if (message.subscription) this.answered = message.subscription;
    else if (this.answered === this.number) this.onmessage(message);
  }

  reconnect() {
    if (this.closed) return;
    this.onstate("lost");
    setTimeout(() => this.connect(), this.wait);
    this.wait = Math.min(2 * this.wait, LATEST);
  }

  /** Close the connection, as a network failure does. */
  drop() {
    this.socket.close();
  }
}
