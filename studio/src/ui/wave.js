// How much a motion moves over time, drawn as a sound is drawn: it shows where things happen.

const BAR = 3; // pixels, with the gap to the next
const INSET = 8; // as the timeline's

/** Draw a clip's liveliness; the selected part in the accent colour. */
export function wave(canvas, clip, part) {
  const { clientWidth, clientHeight } = canvas;
  canvas.width = clientWidth * devicePixelRatio;
  canvas.height = clientHeight * devicePixelRatio;
  if (!clip || !clientWidth) return;
  const context = canvas.getContext("2d");
  context.scale(devicePixelRatio, devicePixelRatio);
  const style = getComputedStyle(canvas);
  const { energy } = clip;
  const most = Math.max(
    0.35,
    energy.reduce((a, b) => Math.max(a, b)),
  );
  const room = clientWidth - 2 * INSET;
  for (let x = 0; x < room; x += BAR) {
    const [first, stop] = [x, x + BAR].map((at) => (at / room) * (clip.frames - 1));
    const frames = energy.slice(Math.floor(first), Math.floor(stop) + 1);
    const height = Math.max(2, 0.78 * clientHeight * (Math.max(...frames) / most));
    const chosen = part && first >= part[0] && first <= part[1];
    context.fillStyle = style.getPropertyValue(chosen ? "--accent" : "--wave");
    context.fillRect(INSET + x, (clientHeight - height) / 2, BAR - 1, height);
  }
}
