// Dialogs that ask one question.

import { h } from "./dom.js";

/** Ask a yes-no question; resolves to true for yes. */
export function confirmed(question, yes) {
  return asking(yes, "danger", () => true, h("p", {}, question));
}

/** Ask for a text; resolves to null for no. */
export function asked(question, value, yes, about = "") {
  const input = h("input", { value, autocomplete: "off", spellcheck: "false" });
  return asking(yes, "primary", () => input.value.trim(), h("label", { class: "field" }, h("span", {}, question), input, about ? h("small", {}, about) : ""));
}

function asking(yes, style, answerOf, content) {
  return new Promise((answer) => {
    const close = (said) => {
      dialog.close();
      dialog.remove();
      answer(said);
    };
    const sure = () => close(answerOf());
    const dialog = h("dialog", { class: "question", "aria-label": yes, oncancel: () => close(null) },
      h("form", { method: "dialog", onsubmit: (event) => (event.preventDefault(), sure()) }, content),
      h("div", { class: "buttons" }, h("button", { type: "button", onclick: () => close(null) }, "No"),
        h("button", { type: "button", class: style, "data-command": "yes", onclick: sure }, yes)));
    document.body.append(dialog);
    dialog.showModal();
  });
}
