// Time: where on the timeline we are, and whether it runs.

const LONGEST_STEP = 0.25; // seconds; a tab that comes back does not jump

/** Dispatches `change` whenever the frame or a setting is another. */
export class Player extends EventTarget {
  frame = 0;
  frames = 1;
  fps = 20;
  playing = false;
  loop = true;
  speed = 1;

  /** Look at something of this length; a frame that is kept stays within it. */
  open(frames, fps, { from = 0, playing = this.playing } = {}) {
    Object.assign(this, { frames, fps, playing: playing && frames > 1 });
    this.frame = Math.min(from, frames - 1);
    this.#changed();
  }

  /** Go to a frame, which may lie between two. */
  seek(frame) {
    this.frame = Math.min(Math.max(frame, 0), this.frames - 1);
    this.#changed();
  }

  /** Whole frames on or back, standing. */
  step(frames) {
    this.playing = false;
    this.seek(Math.round(this.frame) + frames);
  }

  toggle() {
    this.playing = !this.playing && this.frames > 1;
    if (this.playing && this.frame >= this.frames - 1) this.frame = 0;
    this.#changed();
  }

  set(settings) {
    Object.assign(this, settings);
    this.#changed();
  }

  /** Let seconds pass. */
  tick(seconds) {
    if (!this.playing) return;
    const last = this.frames - 1;
    let next = this.frame + Math.min(seconds, LONGEST_STEP) * this.speed * this.fps;
    if (next > last) {
      if (this.loop) next %= last;
      else [next, this.playing] = [last, false];
    }
    this.seek(next);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
