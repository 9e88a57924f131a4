// How finely is drawn while something moves: as finely as the machine can in time.

const LEVELS = [
  { share: 1, shadows: true },
  { share: 0.75, shadows: true },
  { share: 0.5, shadows: true },
  { share: 0.5, shadows: false },
  { share: 0.35, shadows: false },
];
const SLOW_MS = 50; // pictures that take longer are drawn coarser
const QUICK_MS = 25; // those that take less may be drawn finer again
const ASLEEP_MS = 4000; // longer than any picture takes: nobody was looking
const SLOW = 4; // pictures in a row
const QUICK = 60;
const NEVER = 8000;

/** Goes down soon where pictures are late, and up again, each time it was in vain more rarely. */
export class Quality {
  #slow = 0;
  #quick = 0;
  #patience = QUICK;
  #tried = false; // it went up last

  /** @param {boolean} spare a processor draws: begin in the middle */
  constructor(spare) {
    this.level = spare ? 2 : 0;
  }

  /** Pixels along each side, of those a picture that stands has. */
  get share() {
    return LEVELS[this.level].share;
  }

  get shadows() {
    return LEVELS[this.level].shadows;
  }

  /** A picture took so many milliseconds. */
  took(ms) {
    if (ms > ASLEEP_MS) return;
    this.#slow = ms > SLOW_MS ? this.#slow + 1 : 0;
    this.#quick = ms < QUICK_MS ? this.#quick + 1 : 0;
    if (this.#slow >= SLOW && this.level < LEVELS.length - 1) {
      if (this.#tried) this.#patience = Math.min(2 * this.#patience, NEVER);
      this.#move(1);
    } else if (this.#quick >= this.#patience && this.level > 0) this.#move(-1);
  }

  #move(by) {
    this.level += by;
    this.#tried = by < 0;
    [this.#slow, this.#quick] = [0, 0];
  }
}
