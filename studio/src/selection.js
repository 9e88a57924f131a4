// The part of the timeline that is selected: from one frame to another.

/** `part` is `[first, last]` in frames, or null. Dispatches `change`. */
export class Selection extends EventTarget {
  part = null;
  last = 0; // frame of the motion

  /** Another motion; a selection on it stays where the motion is as long. */
  open(frames) {
    const same = this.last === frames - 1;
    this.last = frames - 1;
    if (!same) this.clear();
  }

  /** Select between two frames, in either order. */
  set(a, b) {
    const [first, last] = [a, b]
      .map((frame) => Math.min(Math.max(Math.round(frame), 0), this.last))
      .sort((x, y) => x - y);
    this.part = last > first ? [first, last] : null;
    this.dispatchEvent(new Event("change"));
  }

  /** Begin it here; it ends where it did, or at the end. */
  begin(frame) {
    const end = this.part?.[1] ?? this.last;
    this.set(frame, end > frame ? end : this.last);
  }

  /** End it here; it begins where it did, or at the start. */
  end(frame) {
    const begin = this.part?.[0] ?? 0;
    this.set(begin < frame ? begin : 0, frame);
  }

  clear() {
    this.part = null;
    this.dispatchEvent(new Event("change"));
  }
}
