// Elements without a template language: text is always text, so a name that holds HTML is shown as it is.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("button", { class: "quiet", onclick: go }, "Go")`. Children are elements, texts, or nothing. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
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

// What changes as somebody types is a property; the attribute is only how it began.
const LIVE_PROPERTIES = { value: 1, checked: 1, disabled: 1, selected: 1 };

/** Make what is there like `next`, touching only what differs: a browser paints no more than that. */
export function morph(now, next) {
  if (now.nodeName !== next.nodeName) return now.replaceWith(next);
  if (now.nodeType === Node.TEXT_NODE) {
    if (now.nodeValue !== next.nodeValue) now.nodeValue = next.nodeValue;
    return;
  }
  for (const name of now.getAttributeNames()) if (!next.hasAttribute(name)) now.removeAttribute(name);
  for (const { name, value } of next.attributes) {
    if (now.getAttribute(name) === value) continue;
    if (name === "style") now.style.cssText = value; // an attribute of this name is against the page's policy
    else now.setAttribute(name, value);
  }
  const children = [...next.childNodes];
  if (now.childNodes.length !== children.length) return now.replaceChildren(...children);
  [...now.childNodes].forEach((child, i) => morph(child, children[i]));
}

/** Make an element's children like these, touching only what differs. */
export function fillLike(element, children) {
  const next = element.cloneNode();
  next.append(...children);
  morph(element, next);
}

/** Put text into an element only where it is another, so that a screen reader is not told the same again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Say something for a few seconds, to eyes and to screen readers. */
export function notice(text) {
  const place = document.getElementById("notice");
  place.replaceChildren(h("p", {}, text));
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => place.replaceChildren(), 8000);
}
