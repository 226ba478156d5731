// DOM elements without templates: text is never parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("button", { class: "quiet", onclick: go }, "Go")`. Children are elements, texts, or nothing. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element, as `h`. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "css") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (name in LIVE_PROPERTIES) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Set as properties: these attributes are initial values only.
const LIVE_PROPERTIES = { value: 1, checked: 1, disabled: 1, selected: 1 };

/** Change `now` into `next`, touching only what differs, which limits repainting. */
export function morph(now, next) {
  if (now.nodeName !== next.nodeName) return now.replaceWith(next);
  if (now.nodeType === Node.TEXT_NODE) {
    if (now.nodeValue !== next.nodeValue) now.nodeValue = next.nodeValue;
    return;
  }
  for (const name of now.getAttributeNames()) if (!next.hasAttribute(name)) now.removeAttribute(name);
  for (const { name, value } of next.attributes) {
    if (now.getAttribute(name) === value) continue;
    if (name === "style") now.style.cssText = value; // the content security policy forbids the attribute
    else now.setAttribute(name, value);
  }
  const children = [...next.childNodes];
  if (now.childNodes.length !== children.length) return now.replaceChildren(...children);
  [...now.childNodes].forEach((child, i) => morph(child, children[i]));
}

/** Replace an element's children, touching only what differs. */
export function fillLike(element, children) {
  const next = element.cloneNode();
  next.append(...children);
  morph(element, next);
}

/** Set an element's text if it differs, so that a screen reader does not repeat it. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show a message for a few seconds, also to screen readers. */
export function notice(text) {
  const place = document.getElementById("notice");
  place.replaceChildren(h("p", {}, text));
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => place.replaceChildren(), 8000);
}
