// Choosing what a motion is joined with.

import { find, make } from "../dom.js";

/** Opens the dialog; the answer is carried out by the studio. */
export function joining(studio) {
  const dialog = find("joining");
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "join") return;
    studio.join(find("follows").value, Number(find("way").value), find("way-text").value.trim());
  });
  return () => {
    const entries = studio.history.entries.filter((entry) => !studio.history.isGone(entry.id));
    if (!entries.length) {
      studio.notices.say("There is nothing in the history to join it with");
      return;
    }
    const options = entries.map(({ id, text }) =>
      make("option", { value: id }, text || id.slice(0, 8)),
    );
    find("follows").replaceChildren(...options);
    dialog.returnValue = "";
    dialog.showModal();
  };
}
