// The two ways to the server: asking it, and being told.

const token = new URLSearchParams(location.search).get("token") ?? "";

/** The address of an answer, with the token where there is one. */
export function address(path, parameters = {}) {
  const query = new URLSearchParams(parameters);
  if (token) query.set("token", token);
  return `${path}?${query}`;
}

/** Ask for something.  Throws an Error with the server's own words where it refuses. */
export async function get(what, parameters = {}) {
  return answerOf(await reached(fetch(address(`api/${what}`, parameters))));
}

/** Ask for something to be done. */
export async function post(what, parameters = {}, body = undefined) {
  const told = body === undefined ? undefined : JSON.stringify(body);
  return answerOf(await reached(fetch(address(`api/${what}`, parameters), { method: "POST", body: told })));
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

/** One WebSocket that mends itself. `wishes()` says what to be told of, from where we have come to. */
export class Line {
  constructor(wishes, onmessage, onstate) {
    Object.assign(this, { wishes, onmessage, onstate, wait: SOONEST, closed: false });
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
      this.ask();
    };
    this.socket.onmessage = (event) => this.onmessage(JSON.parse(event.data));
    this.socket.onclose = () => this.again();
  }

  /** Say anew what to be told of. */
  ask() {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(this.wishes()));
  }

  again() {
    if (this.closed) return;
    this.onstate("lost");
    setTimeout(() => this.connect(), this.wait);
    this.wait = Math.min(2 * this.wait, LATEST);
  }

  /** Lose the connection, as a network does. */
  drop() {
    this.socket.close();
  }
}
