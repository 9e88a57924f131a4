// What can be done with the motion on stage.

import { find, make, seconds } from "../dom.js";
import { joining } from "./joining.js";

const MORE = [1, 2, 3, 4, 6];
const DOWNLOADS = ["bvh", "glb", "mp4", "npz"];

/** Wire up the buttons below the timeline. */
export function actions(studio) {
  const { bench, selection, work } = studio;
  const text = find("change");
  const act = {
    fill: () => studio.fill(text.value.trim()),
    continue: () => studio.goOn(Number(find("more").value), text.value.trim()),
    trim: () => studio.trim(),
    remove: () => studio.remove(),
    join: joining(studio),
    describe: () => describe(studio),
    link: () => copyLink(studio),
  };
  for (const [id, verb] of Object.entries(act)) {
    find(id).addEventListener("click", () => {
      studio.notices.clear();
      verb();
    });
  }
  find("more").append(
    ...MORE.map((value) => make("option", { value, selected: value === 2 }, `+ ${value} s`)),
  );
  find("clear").addEventListener("click", () => selection.clear());
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing)
      find(selection.part ? "fill" : "continue").click();
  });
  downloads(studio);
  const shown = () => show(studio);
  for (const changing of [bench, selection, work]) changing.addEventListener("change", shown);
  shown();
}

/** What is possible just now. */
function show(studio) {
  const { motion, selection, work } = studio;
  const part = motion && selection.part;
  const free = Boolean(motion) && !work.busy;
  for (const button of find("tools").querySelectorAll("button, select")) button.disabled = !free;
  for (const id of ["fill", "trim", "remove"]) find(id).disabled = !free || !part;
  find("change").disabled = !motion;
  find("clear").hidden = !part;
  find("clear").disabled = false;
  if (!motion) {
    find("part").textContent = studio.bench.motions.length
      ? "Pick a variant to go on"
      : "Nothing on stage yet";
    find("continue").textContent = "Continue";
    return;
  }
  const [start, stop] = part ? studio.times : [];
  find("part").textContent = part
    ? `${seconds(start)} – ${seconds(stop)} selected`
    : "The whole motion";
  find("continue").textContent = part ? `Continue from ${seconds(stop)}` : "Continue from the end";
}

function downloads(studio) {
  for (const format of DOWNLOADS.filter((one) => studio.about.writes.includes(one))) {
    const button = make("button", { type: "button", id: `get-${format}` }, format.toUpperCase());
    button.addEventListener("click", () => studio.download(format, save));
    find("downloads").append(button);
  }
}

function save(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function describe(studio) {
  const caption = await studio.describe();
  if (caption) find("said").textContent = `The model sees: ${caption}`;
}

async function copyLink(studio) {
  const link = `${location.origin}/#${studio.motion.id}`;
  try {
    await navigator.clipboard.writeText(link);
    studio.notices.say("Link copied; it works as long as the server keeps the motion");
  } catch {
    window.prompt("Copy this link", link); // no clipboard on plain HTTP from another machine
  }
}
