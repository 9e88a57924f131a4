// The list of what was made here.

import { find, make, seconds } from "../dom.js";

/** Wire up the history. */
export function past(studio) {
  const { history, bench } = studio;
  find("forget").addEventListener("click", () => history.clear());
  const shown = () => {
    const { entries } = history;
    find("history").replaceChildren(...entries.map((entry) => row(studio, entry)));
    find("none").hidden = entries.length > 0;
    find("forget").hidden = entries.length === 0;
  };
  history.addEventListener("change", shown);
  bench.addEventListener("change", shown);
  shown();
}

function row(studio, entry) {
  const gone = studio.history.isGone(entry.id);
  const about = gone ? "gone from the server" : `${entry.how} · ${seconds(entry.seconds)}`;
  const text = make("span", { className: "text" }, entry.text || "without words");
  const button = make(
    "button",
    { type: "button", disabled: gone },
    text,
    make("span", { className: "facts" }, about),
  );
  if (studio.bench.motions.some(({ id }) => id === entry.id))
    button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => studio.open(entry.id));
  return make("li", { className: gone ? "gone" : "" }, button);
}
