// What is written on the stage: the caption, the variants to pick from, and what is under way.

import { find, make, seconds } from "../dom.js";

const SHORT_MS = 250; // what is over sooner is not announced

/** Wire up what lies over the stage. */
export function onstage(studio) {
  const { bench, stage, work } = studio;
  find("reads").textContent = studio.about.reads.map((format) => format.toUpperCase()).join("  ");
  bench.addEventListener("change", () => caption(studio));
  stage.onlayout = (panes) => variants(studio, panes);
  bench.addEventListener("change", () => variants(studio, stage.panes));
  find("cancel").addEventListener("click", () => work.cancel());
  announce(work);
}

/** Show what takes longer than a moment, and how far it is. */
function announce(work) {
  const busy = find("busy");
  let waiting = null;
  work.addEventListener("change", () => {
    find("go").disabled = work.busy;
    if (!work.busy) {
      clearTimeout(waiting);
      waiting = null;
      busy.hidden = true;
      return;
    }
    waiting ??= setTimeout(() => {
      busy.hidden = false;
    }, SHORT_MS);
    const bar = find("busy-bar");
    find("busy-text").textContent = work.label;
    if (work.steps) [bar.max, bar.value] = [work.steps, work.done];
    else bar.removeAttribute("value");
  });
}

function caption({ bench }) {
  const { motions, motion } = bench;
  const first = motion ?? motions[0];
  find("empty").hidden = motions.length > 0;
  find("what").hidden = motions.length === 0;
  find("what").classList.toggle("several", !motion);
  find("said").textContent = "";
  if (!first) return;
  find("text").textContent = first.text || "Without words";
  const facts = [seconds(first.seconds), `${first.frames} frames`, `${first.fps} fps`];
  if (first.skeleton !== "humanml3d") facts.push(first.skeleton.toUpperCase());
  find("facts").textContent = motion ? facts.join(" · ") : `${motions.length} variants`;
}

/** A button for each pane, or one that leads back to all of them. */
function variants(studio, panes) {
  const { bench } = studio;
  const several = bench.motions.length > 1;
  const buttons = [];
  if (several && bench.picked === null) {
    panes.forEach((pane, i) => {
      const label = make("span", { className: "key" }, `${i + 1}`);
      const button = make(
        "button",
        { type: "button", className: "pane", title: `Variant ${i + 1}` },
        label,
        " ",
        make("span", {}, "Pick"),
      );
      Object.assign(button.style, { left: `${pane.x}px`, top: `${pane.y + pane.height}px` });
      button.addEventListener("click", () => bench.pick(i));
      buttons.push(button);
    });
  } else if (several) {
    const button = make(
      "button",
      { type: "button", className: "all" },
      `All ${bench.motions.length} variants`,
    );
    button.addEventListener("click", () => bench.pick(null));
    buttons.push(button);
  }
  find("panes").replaceChildren(...buttons);
}
