// A chart as a file: its numbers, or its image.

/** Save a file whose content is a data address. */
export function save(name, address) {
  const link = document.createElement("a");
  Object.assign(link, { href: address, download: name.replaceAll(/[^\w.-]+/g, "-") });
  link.click();
}

/** The lines of a chart as CSV: x, then the value of each line, with its range where it has one. An x that a line has
    several times, such as a number of episodes while none ends, has as many rows. */
export function csvOf(lines, axis) {
  const columns = lines.flatMap(({ label, x, y, low, high }) => [[label, x, y], ...(low ? [[`${label}, low`, x, low], [`${label}, high`, x, high]] : [])]);
  const places = columns.map(([, x]) => placesOf(x));
  const most = new Map(); // x -> the number of its rows
  for (const place of places) for (const [at, indices] of place) most.set(at, Math.max(most.get(at) ?? 0, indices.length));
  const xs = [...most.keys()].sort((a, b) => a - b);
  const rows = xs.flatMap((at) => Array.from({ length: most.get(at) },
    (_, k) => [at, ...columns.map(([, , values], i) => values[places[i].get(at)?.[k]] ?? "")]));
  const text = [[axis, ...columns.map(([label]) => label)], ...rows].map((row) => row.map(cell).join(",")).join("\n");
  return `data:text/csv;charset=utf-8,${encodeURIComponent(`${text}\n`)}`;
}

/** The indices of each x. */
function placesOf(x) {
  const places = new Map();
  x.forEach((at, i) => places.has(at) ? places.get(at).push(i) : places.set(at, [i]));
  return places;
}

/** A CSV cell; a text that a spreadsheet would take for a formula begins with an apostrophe. */
function cell(value) {
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const HEAD = 34; // CSS pixels for the title and the names of the lines

/** A chart as a PNG, with its title and its lines' names and newest values. */
export function pngOf({ title, lines, plot }) {
  const drawn = plot.ctx.canvas;
  const ratio = drawn.width / plot.width;
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: drawn.width, height: drawn.height + HEAD * ratio });
  const paint = canvas.getContext("2d");
  const style = getComputedStyle(document.querySelector(".chart"));
  paint.fillStyle = style.backgroundColor;
  paint.fillRect(0, 0, canvas.width, canvas.height);
  paint.scale(ratio, ratio);
  paint.font = `600 13px ${style.fontFamily}`;
  paint.fillStyle = style.color;
  paint.fillText(title, 10, 21);
  let x = 30 + paint.measureText(title).width;
  paint.font = `12px ${style.fontFamily}`;
  for (const { label, colour } of lines) {
    paint.fillStyle = colour;
    paint.fillText(`— ${label}`, x, 21);
    x += paint.measureText(`— ${label}`).width + 14;
  }
  paint.drawImage(drawn, 0, HEAD, plot.width, drawn.height / ratio);
  return canvas.toDataURL("image/png");
}
