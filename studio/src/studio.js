// What can be done here, each verb once: pages, keys and tests all come this way.

import { Bench } from "./bench.js";
import { Clip } from "./clip.js";
import { History } from "./history.js";
import { Player } from "./player.js";
import { Selection } from "./selection.js";
import { Work } from "./work.js";

const KEPT = 64; // clips that are not fetched again

/** The bench, the time, the selection and the server. */
export class Studio {
  #clips = new Map();
  #shown = 0;
  #next = {};

  constructor(api, stage, notices) {
    Object.assign(this, { api, stage, notices });
    this.bench = new Bench();
    this.player = new Player();
    this.selection = new Selection();
    this.history = new History();
    this.work = new Work(notices);
    this.bench.addEventListener("change", () => this.#show().catch((error) => notices.fail(error)));
    this.player.addEventListener("change", () => stage.show(this.player.frame));
  }

  /** Ask what the server can do, and which motions of the history it still has. */
  async begin() {
    this.about = await this.api.about();
    const ids = this.history.entries.map((entry) => entry.id);
    const here = await this.api.remaining(ids);
    this.history.markGone(ids.filter((id) => !here.has(id)));
  }

  generate(body) {
    return this.#make("Making the motion", "generate", body, "made", { from: 0, playing: true });
  }

  /** Make the selected part anew. */
  fill(text) {
    const { motion, times } = this;
    const body = { motion: motion.id, start: times[0], stop: times[1], text: text || null };
    const from = Math.max(0, this.selection.part[0] - 0.5 * motion.fps);
    return this.#make("Filling the part", "edit", body, "filled", { from, playing: true });
  }

  /** Let it go on, after the selected part or after its end. */
  goOn(seconds, text) {
    const [, stop] = this.times;
    const label = "Continuing";
    return this.work.run(label, async (progress, signal) => {
      let { motion } = this;
      if (stop < motion.seconds) motion = await this.api.cut(motion.id, 0, stop);
      const body = { motion: motion.id, seconds, text: text || null };
      const from = Math.max(0, motion.frames - 0.5 * motion.fps);
      await this.#made("predict", body, "continued", { from, playing: true }, progress, signal);
    });
  }

  /** Keep the selected part alone. */
  trim() {
    const [start, stop] = this.times;
    return this.#change("Cutting", "cut", () => this.api.cut(this.motion.id, start, stop));
  }

  /** Take the selected part out; what comes after goes on where what comes before has ended. */
  remove() {
    const [start, stop] = this.times;
    const { id, seconds } = this.motion;
    return this.#change("Cutting", "cut", async () => {
      const parts = [
        [0, start],
        [stop, seconds],
      ].filter(([a, b]) => b > a);
      const kept = await Promise.all(parts.map(([a, b]) => this.api.cut(id, a, b)));
      return kept.length > 1 ? this.api.join(kept.map((motion) => motion.id)) : kept[0];
    });
  }

  /** Put another motion after this one, with seconds of transition or none. */
  join(other, seconds, text) {
    const { id, frames, fps } = this.motion;
    const view = { from: Math.max(0, frames - 0.5 * fps), playing: true };
    if (!seconds) return this.#change("Joining", "joined", () => this.api.join([id, other]), view);
    const body = { start: id, end: other, seconds, text: text || null };
    return this.#make("Making the transition", "inbetween", body, "joined", view);
  }

  /** What the model sees in it. */
  async describe() {
    const { id } = this.motion;
    let caption = "";
    await this.work.run("Describing", async () => {
      caption = await this.api.caption(id);
    });
    return caption;
  }

  /** Read a file of somebody's. */
  upload(file) {
    const format = file.name.split(".").pop().toLowerCase();
    return this.work.run(`Reading ${file.name}`, async () => {
      const motion = await this.api.upload(file, format);
      const named = { ...motion, text: motion.text || file.name };
      this.history.add([named], "opened");
      this.#put([named], { from: 0, playing: true });
    });
  }

  /** Show a motion that is kept under an id. */
  open(id) {
    return this.work.run("Opening", async () => {
      try {
        const motion = await this.api.motion(id);
        const known = this.history.entries.find((entry) => entry.id === id);
        this.#put([{ ...motion, text: known?.text || motion.text }], { from: 0, playing: true });
        if (!known) this.history.add([motion], "opened");
      } catch (error) {
        if (error.status === 404) this.history.markGone([id]);
        throw error;
      }
    });
  }

  /** The motion as a file. */
  async download(format, save) {
    const { id, text } = this.motion;
    const words =
      text
        .toLowerCase()
        .match(/[a-z0-9]+/g)
        ?.slice(0, 8)
        .join("-") || id.slice(0, 8);
    await this.work.run(`Writing ${format.toUpperCase()}`, async () => {
      save(await this.api.file(id, format), `${words}.${format}`);
    });
  }

  /** The motion that actions are about; null while there is none or several are compared. */
  get motion() {
    return this.bench.motion;
  }

  /** Start and stop of the selected part in seconds, or of the whole motion. */
  get times() {
    const { fps, seconds, frames } = this.motion;
    const [first, last] = this.selection.part ?? [0, frames - 1];
    return [first / fps, last === frames - 1 ? seconds : last / fps];
  }

  #make(label, kind, body, how, view) {
    return this.work.run(label, (progress, signal) =>
      this.#made(kind, body, how, view, progress, signal),
    );
  }

  async #made(kind, body, how, view, progress, signal) {
    const motions = await this.api.make(
      kind,
      body,
      ({ done, steps }) => progress(done, steps),
      signal,
    );
    this.history.add(motions, how);
    await this.#load(motions);
    this.#put(motions, view);
  }

  #change(label, how, ask, view = { from: 0 }) {
    const { text } = this.motion;
    return this.work.run(label, async () => {
      const motion = await ask();
      const named = { ...motion, text: motion.text || text };
      this.history.add([named], how);
      this.#put([named], view);
    });
  }

  #put(motions, view) {
    this.#next = view;
    this.bench.show(motions);
  }

  /** Bring what lies on the bench onto the stage, unless something newer came meanwhile. */
  async #show() {
    const turn = (this.#shown += 1);
    const view = this.#next;
    this.#next = {};
    const { motion, motions } = this.bench;
    const clips = await this.#load(motion ? [motion] : motions);
    if (turn !== this.#shown) return;
    this.stage.open(clips);
    const frames = Math.max(1, ...clips.map((clip) => clip.frames));
    this.selection.open(frames);
    this.player.open(frames, clips[0]?.fps ?? 20, { from: this.player.frame, ...view });
    window.history.replaceState(null, "", motion ? `#${motion.id}` : location.pathname);
  }

  #load(motions) {
    return Promise.all(motions.map((motion) => this.#clip(motion)));
  }

  async #clip(motion) {
    const known = this.#clips.get(motion.id);
    if (known) return known;
    const skeleton = this.about.skeletons.find(({ name }) => name === motion.skeleton);
    const clip = new Clip(motion, await this.api.joints(motion.id), skeleton);
    this.#clips.set(motion.id, clip);
    if (this.#clips.size > KEPT) this.#clips.delete(this.#clips.keys().next().value);
    return clip;
  }

  /** The clips that are on stage. */
  get clips() {
    return this.stage.figures.map((figure) => figure.clip);
  }
}
