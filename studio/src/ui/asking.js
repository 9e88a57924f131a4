// Asking for the server's key.

import { find } from "../dom.js";

/** Promises what is typed; `wrong`: the key that was given before is none of the server's. */
export function askKey(wrong) {
  const [dialog, field] = ["asking", "key"].map(find);
  if (wrong) find("asking-text").textContent = "That key is not one of the server's.";
  field.value = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener("close", () => answer(field.value), { once: true });
  });
}
