// What is under way, one thing at a time: how far it is, how to stop it, what went wrong.

/** Dispatches `change`. */
export class Work extends EventTarget {
  label = "";
  done = 0;
  steps = 0;
  #stop = null;

  /** @param {import("./ui/notices.js").Notices} notices hear what went wrong */
  constructor(notices) {
    super();
    this.notices = notices;
  }

  get busy() {
    return this.#stop !== null;
  }

  /**
   * Do something, unless something else is being done. Whether it was done.
   * @param {(progress: (done: number, steps: number) => void, signal: AbortSignal) => Promise<void>} act
   */
  async run(label, act) {
    if (this.busy) {
      this.notices.say(`${this.label}: wait for it, or cancel it`);
      return false;
    }
    this.#stop = new AbortController();
    this.#tell({ label, done: 0, steps: 0 });
    try {
      await act((done, steps) => this.#tell({ done, steps }), this.#stop.signal);
      return true;
    } catch (error) {
      if (error.name === "AbortError") this.notices.say("Cancelled");
      else this.notices.fail(error);
      return false;
    } finally {
      this.#stop = null;
      this.#tell({});
    }
  }

  /** Stop it at its next step. */
  cancel() {
    if (!this.busy) return;
    this.#tell({ label: "Stopping" });
    this.#stop.abort();
  }

  #tell(state) {
    Object.assign(this, state);
    this.dispatchEvent(new Event("change"));
  }
}
