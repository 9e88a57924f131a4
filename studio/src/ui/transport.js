// Playing, stepping, speed and loop.

import { find, make } from "../dom.js";

const SPEEDS = [0.25, 0.5, 1, 1.5, 2];

/** Wire up the buttons under the stage. */
export function transport({ player }) {
  const [play, loop, speed, time] = ["play", "loop", "speed", "time"].map(find);
  speed.append(
    ...SPEEDS.map((value) => make("option", { value, selected: value === 1 }, `${value}×`)),
  );
  play.addEventListener("click", () => player.toggle());
  loop.addEventListener("click", () => player.set({ loop: !player.loop }));
  speed.addEventListener("change", () => player.set({ speed: Number(speed.value) }));
  find("back").addEventListener("click", () => player.step(-1));
  find("next").addEventListener("click", () => player.step(1));
  player.addEventListener("change", () => {
    play.classList.toggle("playing", player.playing);
    play.setAttribute("aria-label", player.playing ? "Pause" : "Play");
    loop.setAttribute("aria-pressed", player.loop);
    speed.value = player.speed;
    const now = (player.frame / player.fps).toFixed(2);
    time.value = `${now} / ${(player.frames / player.fps).toFixed(2)} s`;
  });
}

/** The next faster (1) or slower (-1) speed. */
export function change(player, by) {
  const at = SPEEDS.indexOf(player.speed) + by;
  if (SPEEDS[at]) player.set({ speed: SPEEDS[at] });
}
