// Messages that come and go: what went wrong stays until it is dismissed.

import { make } from "../dom.js";

const SHOWN_MS = 4000;
const MOST = 3;

/** A list of messages in an element of the page. */
export class Notices {
  constructor(element) {
    this.element = element;
  }

  /** Something that is good to know. */
  say(text) {
    const notice = this.#add(make("div", { className: "notice", role: "status" }, text));
    setTimeout(() => notice.remove(), SHOWN_MS);
  }

  /** Something that went wrong, and what to do. */
  fail(error) {
    const place = error.where ? ` (${error.where})` : "";
    const message = `${error.message}${place}`;
    const close = make(
      "button",
      { type: "button", className: "icon", "aria-label": "Dismiss" },
      "×",
    );
    const text = make(
      "p",
      {},
      make("strong", {}, capital(message)),
      error.hint ? ` ${capital(error.hint)}.` : "",
    );
    const notice = this.#add(
      make("div", { className: "notice wrong", role: "alert" }, text, close),
    );
    close.addEventListener("click", () => notice.remove());
  }

  /** Take away what went wrong before. */
  clear() {
    this.element.replaceChildren();
  }

  #add(notice) {
    this.element.append(notice);
    while (this.element.children.length > MOST) this.element.firstChild.remove();
    return notice;
  }
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
