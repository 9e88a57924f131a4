// Dark or light: as the system is set, unless somebody says otherwise here.

import { find } from "../dom.js";

const PLACE = "motiongpt3.theme";

/** Wire up the switch; the stage takes its colours from the style sheet. */
export function theme(stage) {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = localStorage.getItem(PLACE);
    root.dataset.theme = chosen ?? (system.matches ? "dark" : "light");
    const style = getComputedStyle(root);
    const value = (name) => style.getPropertyValue(`--stage-${name}`).trim();
    const [shadow, glow] = ["shadow", "glow"].map((name) => Number(value(name)));
    stage.colour({ back: value("back"), floor: value("floor"), line: value("line"), shadow, glow });
    stage.onopen?.(); // what is drawn on the timeline has colours too
  };
  system.addEventListener("change", apply);
  find("theme").addEventListener("click", () => {
    localStorage.setItem(PLACE, root.dataset.theme === "dark" ? "light" : "dark");
    apply();
  });
  apply();
}
