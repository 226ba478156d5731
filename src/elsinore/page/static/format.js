// Numbers, times and metric names for display.

/** About four significant digits; an exponent only for very large or small numbers. */
export function number(x) {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  const size = Math.abs(x);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) return x.toExponential(2);
  const digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 4;
  return x.toLocaleString("en", { maximumFractionDigits: digits });
}

/** An integer with thousands separators. */
export function whole(x) {
  return x === null || x === undefined || Number.isNaN(x) ? "–" : Math.round(x).toLocaleString("en");
}

/** A number in few characters: 48,640 as 48.6k. */
export function short(x) {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(x) >= size) return `${Number((x / size).toPrecision(3))}${unit}`;
  }
  return Math.abs(x) > 0 && Math.abs(x) < 1e-3 ? x.toExponential().replace(/(\.\d)\d*e/, "$1e") : String(Number(x.toPrecision(3)));
}

/** Tick labels: short, unless two would be equal. */
export function ticks(xs) {
  if (xs.includes(null)) return xs.map((x) => (x === null ? "" : short(x))); // a logarithmic axis names a part of its lines
  const texts = xs.map(short);
  return new Set(texts).size === texts.length ? texts : xs.map((x) => x.toLocaleString("en", { maximumSignificantDigits: 7 }));
}

/** Seconds as 1:02:03, or 2:03. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((x) => String(x).padStart(2, "0"));
  const hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${parts.join(":")}` : parts.join(":").replace(/^0/, "");
}

/** The time since a moment, in one unit. */
export function ago(time) {
  const seconds = Date.now() / 1000 - time;
  if (seconds < 10) return "just now";
  for (const [size, unit] of [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]]) {
    if (seconds >= size) {
      const count = Math.floor(seconds / size);
      return `${count} ${unit}${count > 1 ? "s" : ""} ago`;
    }
  }
  return "just now";
}

/** A date and time of day. */
export function dateTime(time) {
  return new Date(time * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
}

/** The order of names in which numbers count: `agent_2` comes before `agent_10`. */
export function natural(a, b) {
  return a.localeCompare(b, "en", { numeric: true });
}

/** Number of seeds, or of members with their seeds. */
export function seedCount({ seeds, members }) {
  const each = members ? seeds / members : seeds;
  const text = each > 1 ? `${each} seeds` : "one seed";
  return members ? `${members} member${members > 1 ? "s" : ""} with ${text} each` : text;
}

const TITLES = {
  "eval/return": "Evaluation return", "eval/length": "Evaluation length", "eval/return_std": "Spread of evaluations",
  "eval/unfinished": "Evaluations cut off", "episode/return": "Training return", "episode/length": "Episode length",
  "episode/count": "Episodes ended", "policy/kl": "KL of an update", "value/q": "Action values", "loss/td_error": "TD error",
  "curriculum/stage": "Curriculum stage",
};

/** A metric's title: `loss/policy` is "Policy loss". */
export function title(name) {
  if (TITLES[name]) return TITLES[name];
  const [group, ...rest] = name.split("/");
  const words = (rest.length ? rest.join(" ") : group).replaceAll("_", " ");
  const text = group === "loss" && rest.length ? `${words} loss` : words;
  return text.charAt(0).toUpperCase() + text.slice(1);
}
