// A question before what cannot be taken back.

import { h } from "./dom.js";

/** Whether somebody says yes. */
export function confirmed(question, yes) {
  return new Promise((answer) => {
    const close = (said) => {
      dialog.close();
      dialog.remove();
      answer(said);
    };
    const dialog = h("dialog", { class: "question", oncancel: () => close(false) }, h("p", {}, question),
      h("div", { class: "acts" }, h("button", { onclick: () => close(false) }, "No"),
        h("button", { class: "danger", "data-act": "yes", onclick: () => close(true) }, yes)));
    document.body.append(dialog);
    dialog.showModal();
  });
}
