// Which theme is wanted: what was chosen here before, or else the system's.

const PLACE = "motiongpt3.theme";

export const system = matchMedia("(prefers-color-scheme: dark)");

/** @returns {"dark" | "light"} */
export function wanted() {
  return localStorage.getItem(PLACE) ?? (system.matches ? "dark" : "light");
}

/** @param {"dark" | "light"} theme wanted from now on, whatever the system says */
export function choose(theme) {
  localStorage.setItem(PLACE, theme);
}
