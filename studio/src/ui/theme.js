// Dark or light, and the switch between them.

import { find } from "../dom.js";
import { choose, system, wanted } from "./wanted.js";

/** Wire up the switch; the stage takes its colours from the style sheet. */
export function theme(stage) {
  const root = document.documentElement;
  const apply = () => {
    root.dataset.theme = wanted();
    const style = getComputedStyle(root);
    const value = (name) => style.getPropertyValue(`--stage-${name}`).trim();
    const [shadow, glow] = ["shadow", "glow"].map((name) => Number(value(name)));
    stage.colour({ back: value("back"), floor: value("floor"), line: value("line"), shadow, glow });
    stage.onopen?.(); // what is drawn on the timeline has colours too
  };
  system.addEventListener("change", apply);
  find("theme").addEventListener("click", () => {
    choose(root.dataset.theme === "dark" ? "light" : "dark");
    apply();
  });
  apply();
}
