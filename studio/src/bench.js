// What lies on the bench: the motions on stage, and the way back to what was there before.

const MOST = 100;

/**
 * Each step is `{ motions, picked }`: what the server tells of each motion, and which one was
 * picked (null while several are compared). Dispatches `change`.
 */
export class Bench extends EventTarget {
  #steps = [{ motions: [], picked: null }];
  #at = 0;

  get motions() {
    return this.#steps[this.#at].motions;
  }

  get picked() {
    return this.#steps[this.#at].picked;
  }

  /** The one motion that actions are about, if there is one. */
  get motion() {
    return this.picked === null ? null : this.motions[this.picked];
  }

  get canUndo() {
    return this.#at > 1 || (this.#at === 1 && this.#steps[0].motions.length > 0);
  }

  get canRedo() {
    return this.#at < this.#steps.length - 1;
  }

  /** Put motions on stage. */
  show(motions) {
    this.#push({ motions, picked: motions.length === 1 ? 0 : null });
  }

  /** Go on with one of them, or (null) compare them again. */
  pick(index) {
    if (index !== this.picked) this.#push({ motions: this.motions, picked: index });
  }

  undo() {
    if (this.canUndo) this.#move(-1);
  }

  redo() {
    if (this.canRedo) this.#move(1);
  }

  #push(step) {
    this.#steps = [...this.#steps.slice(0, this.#at + 1), step].slice(-MOST);
    this.#at = this.#steps.length - 1;
    this.dispatchEvent(new Event("change"));
  }

  #move(by) {
    this.#at += by;
    this.dispatchEvent(new Event("change"));
  }
}
