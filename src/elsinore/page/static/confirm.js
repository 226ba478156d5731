// A confirmation dialog.

import { h } from "./dom.js";

/** Ask a yes-no question; resolves to true for yes. */
export function confirmed(question, yes) {
  return new Promise((answer) => {
    const close = (said) => {
      dialog.close();
      dialog.remove();
      answer(said);
    };
    const dialog = h("dialog", { class: "question", oncancel: () => close(false) }, h("p", {}, question),
      h("div", { class: "buttons" }, h("button", { onclick: () => close(false) }, "No"),
        h("button", { class: "danger", "data-command": "yes", onclick: () => close(true) }, yes)));
    document.body.append(dialog);
    dialog.showModal();
  });
}
