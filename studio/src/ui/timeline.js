// The timeline: a slider for the frame, and below it a lane on which a part is selected.

import { find, seconds } from "../dom.js";
import { wave } from "./wave.js";

const DRAG = 4; // pixels; less is a click
const INSET = 8; // pixels beside the lane: half the slider's thumb

/** Wire up the timeline. */
export function timeline(studio) {
  const { player, selection } = studio;
  const [scrub, head, canvas] = ["scrub", "head", "wave"].map(find);
  scrub.addEventListener("input", () => {
    const frame = scrub.valueAsNumber; // before anything else moves the slider
    player.set({ playing: false });
    player.seek(frame);
  });
  player.addEventListener("change", () => {
    scrub.max = player.frames - 1;
    scrub.value = Math.round(player.frame);
    scrub.setAttribute("aria-valuetext", seconds(player.frame / player.fps));
    place(head, player.frame, player.frames);
  });
  const draw = () => wave(canvas, studio.clips[0], selection.part);
  studio.stage.onopen = draw;
  selection.addEventListener("change", draw);
  new ResizeObserver(draw).observe(canvas);
  dragging(studio);
  handles(studio);
}

/** Left edge of an element on the lane, at a frame. */
function place(element, frame, frames) {
  const share = frames > 1 ? frame / (frames - 1) : 0;
  element.style.left = `calc(${INSET}px + ${share} * (100% - ${2 * INSET}px))`;
}

/** The frame under a pointer. */
function under(event, frames) {
  const { left, width } = find("lane").getBoundingClientRect();
  const share = (event.clientX - left - INSET) / (width - 2 * INSET);
  return Math.min(Math.max(share, 0), 1) * (frames - 1);
}

/** A drag on the lane selects, a click goes there. */
function dragging({ player, selection }) {
  const lane = find("lane");
  let from = null;
  lane.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.role === "slider") return;
    from = { x: event.clientX, frame: under(event, player.frames) };
    lane.setPointerCapture(event.pointerId);
  });
  lane.addEventListener("pointermove", (event) => {
    if (!from || Math.abs(event.clientX - from.x) < DRAG) return;
    selection.set(from.frame, under(event, player.frames));
  });
  lane.addEventListener("pointerup", (event) => {
    if (!from) return;
    if (Math.abs(event.clientX - from.x) < DRAG) {
      const [first, last] = selection.part ?? [0, player.frames];
      if (from.frame < first || from.frame > last) selection.clear();
      player.seek(from.frame);
    }
    from = null;
  });
  lane.addEventListener("pointercancel", () => {
    from = null;
  });
}

/** The two ends of the selection, moved by pointer or keys. */
function handles({ player, selection }) {
  const range = find("range");
  const ends = ["from", "to"].map(find);
  const move = (end, frame) => {
    const part = [...selection.part];
    const [low, high] = end ? [part[0] + 1, selection.last] : [0, part[1] - 1];
    part[end] = Math.min(Math.max(frame, low), high);
    selection.set(...part);
  };
  ends.forEach((handle, end) => {
    handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
    handle.addEventListener("pointermove", (event) => {
      if (handle.hasPointerCapture(event.pointerId)) move(end, under(event, player.frames));
    });
    handle.addEventListener("keydown", (event) => {
      const far = event.shiftKey ? 10 : 1;
      const by = { ArrowLeft: -far, ArrowRight: far, ArrowDown: -far, ArrowUp: far }[event.key];
      if (!by) return;
      move(end, selection.part[end] + by);
      event.preventDefault();
      event.stopPropagation();
    });
  });
  selection.addEventListener("change", () => {
    const { part, last } = selection;
    for (const element of [range, ...ends]) element.hidden = !part;
    find("hint").hidden = Boolean(part);
    if (!part) return;
    place(range, part[0], last + 1);
    range.style.width = `calc(${(part[1] - part[0]) / last} * (100% - ${2 * INSET}px))`;
    ends.forEach((handle, end) => {
      place(handle, part[end], last + 1);
      handle.setAttribute("aria-valuemin", 0);
      handle.setAttribute("aria-valuemax", last);
      handle.setAttribute("aria-valuenow", part[end]);
      handle.setAttribute("aria-valuetext", seconds(part[end] / player.fps));
    });
  });
}
