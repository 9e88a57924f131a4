// Keyboard shortcuts, and the overlay that lists them.

import { find, make, typing } from "../dom.js";
import { change } from "./transport.js";

/** `[keys, what they do, how they are written]`; keys as `KeyboardEvent.key` has them. */
function shortcuts(studio) {
  const { player, selection, bench, stage } = studio;
  const click = (id) => () => find(id).click();
  const pick = (index) => () => index < bench.motions.length && bench.pick(index);
  return [
    [["/"], "Write a prompt", () => find("prompt").focus()],
    [[" "], "Play or pause", () => player.toggle(), "Space"],
    [["ArrowLeft", ","], "Frame back", () => player.step(-1), "← or ,"],
    [["ArrowRight", "."], "Frame on", () => player.step(1), "→ or ."],
    [["Home"], "To the start", () => player.seek(0)],
    [["End"], "To the end", () => player.seek(player.frames - 1)],
    [["[", "]"], "Slower, faster", (key) => change(player, key === "[" ? -1 : 1), "[ ]"],
    [["l"], "Loop", click("loop"), "L"],
    [["i"], "Select from here", () => selection.begin(player.frame), "I"],
    [["o"], "Select up to here", () => selection.end(player.frame), "O"],
    [["f"], "Fill the selected part", click("fill"), "F"],
    [["c"], "Continue", click("continue"), "C"],
    [["1", "2", "3", "4"], "Pick a variant", (key) => pick(key - 1)(), "1 – 4"],
    [["0"], "All variants", () => bench.motions.length > 1 && bench.pick(null)],
    [["r"], "Reset the view", () => stage.orbit.reset(), "R"],
    [["d"], "Dark or light", click("theme"), "D"],
    [
      ["Escape"],
      "Clear the selection, or cancel",
      () => (studio.work.busy ? studio.work.cancel() : selection.clear()),
      "Esc",
    ],
    [["?"], "This list", () => find("keys").showModal()],
  ];
}

const OTHERS = [
  ["Enter", "Make the motion (in the prompt)"],
  ["Ctrl Z", "Undo"],
  ["Ctrl Shift Z", "Redo"],
];

/** Wire up the keys of the whole page. */
export function keys(studio) {
  const { bench } = studio;
  const all = shortcuts(studio);
  list(all);
  find("help").addEventListener("click", () => find("keys").showModal());
  find("undo").addEventListener("click", () => bench.undo());
  find("redo").addEventListener("click", () => bench.redo());
  const possible = () => {
    find("undo").disabled = !bench.canUndo;
    find("redo").disabled = !bench.canRedo;
  };
  bench.addEventListener("change", possible);
  possible();
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || typing(event.target)) return leave(event);
    if (event.ctrlKey || event.metaKey) return undoing(event, bench);
    if (event.altKey || own(event)) return undefined;
    const found = all.find(([names]) => names.includes(event.key));
    if (!found) return undefined;
    event.preventDefault();
    return found[2](event.key);
  });
}

/** Escape leaves a text field, so that the other keys work again. */
function leave(event) {
  if (event.key === "Escape" && typing(event.target)) event.target.blur();
}

/** Whether what has the focus does something itself with this key. */
function own({ key, target }) {
  if (target.matches("button, summary, a, [type=checkbox], [type=radio]"))
    return key === " " || key === "Enter";
  return target.matches("[type=range], [type=radio]") && /^(Arrow|Home|End)/.test(key);
}

function undoing(event, bench) {
  const key = event.key.toLowerCase();
  if (key !== "z" && key !== "y") return;
  event.preventDefault();
  if (key === "y" || event.shiftKey) bench.redo();
  else bench.undo();
}

function list(all) {
  const written = all.map(([names, what, , shown]) => [shown ?? names[0], what]);
  const rows = [...OTHERS, ...written].map(([key, what]) =>
    make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, what)),
  );
  find("keys-list").append(...rows);
}
