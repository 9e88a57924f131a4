// The server's API as the page uses it.

const ENDED = ["done", "failed", "cancelled", "interrupted"];
const KEY = "motiongpt3.key";
const PATIENCE_MS = 500;
const TRIES = 5;

/** What the server refused, or that it is not there. */
export class Refusal extends Error {
  constructor(message, { hint = "", where = "", status = 0 } = {}) {
    super(message);
    Object.assign(this, { hint, where, status });
  }
}

/** One server, the one this page came from. */
export class Api {
  /** `askKey(wrong)` promises the key that the server wants. */
  constructor(askKey) {
    this.askKey = askKey;
    this.key = sessionStorage.getItem(KEY) ?? "";
  }

  about() {
    return this.#json("GET", "/about");
  }

  /** Which of these ids are still kept. */
  async remaining(ids) {
    if (!ids.length) return new Set();
    const query = ids.map((id) => `id=${id}`).join("&");
    return new Set((await this.#json("GET", `/motions?${query}`)).motions);
  }

  motion(id) {
    return this.#json("GET", `/motions/${id}`);
  }

  /** Positions, frames x joints x 3, metres. */
  async joints(id) {
    const answer = await this.#ask("GET", `/motions/${id}/joints`);
    return new Float32Array(await answer.arrayBuffer()); // every browser's machine is little-endian
  }

  async caption(id) {
    return (await this.#json("POST", "/caption", { motion: id })).caption;
  }

  cut(motion, start, stop) {
    return this.#json("POST", "/cut", { motion, start, stop });
  }

  join(motions) {
    return this.#json("POST", "/join", { motions });
  }

  async upload(file, format) {
    const answer = await this.#ask("POST", `/motions?format=${encodeURIComponent(format)}`, file);
    return answer.json();
  }

  async file(id, format) {
    return (await this.#ask("GET", `/motions/${id}/file?format=${format}`)).blob();
  }

  /**
   * Have motions made as a job.
   * @param {string} kind generate, predict, inbetween or edit
   * @param {(state: object) => void} watch hears how far it is
   * @param {AbortSignal} signal stops it
   */
  async make(kind, body, watch, signal) {
    const job = await this.#json("POST", "/jobs", { [kind]: body });
    const stop = () => this.#ask("DELETE", `/jobs/${job.id}`).catch(() => {});
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      const state = await this.#follow(job, watch);
      if (state.state === "done") return state.motions;
      if (state.state === "cancelled") throw new DOMException("cancelled", "AbortError");
      const { message = "the server was interrupted", ...more } = state.error ?? {};
      throw new Refusal(message, more);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** Its last state; a line that breaks is taken up again. */
  async #follow(job, watch) {
    let state = job;
    for (let broken = 0; broken < TRIES; broken += 1) {
      try {
        for await (const next of this.#events(`/jobs/${job.id}/events`)) {
          watch((state = next));
          broken = 0;
        }
      } catch (error) {
        if (error.status) throw error;
      }
      if (ENDED.includes(state.state)) return state;
      await new Promise((done) => setTimeout(done, PATIENCE_MS));
    }
    throw new Refusal("the server does not answer any more", { hint: "is it still running?" });
  }

  /** Server-sent events; EventSource could not send a key. */
  async *#events(path) {
    const answer = await this.#ask("GET", path);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ""; ;) {
      const { value, done } = await reader.read();
      if (done) return;
      const events = (text + value).split("\n\n");
      text = events.pop();
      for (const event of events) {
        if (event.startsWith("data: ")) yield JSON.parse(event.slice(6));
      }
    }
  }

  async #json(method, path, body) {
    const json = body && new Blob([JSON.stringify(body)], { type: "application/json" });
    return (await this.#ask(method, path, json)).json();
  }

  async #ask(method, path, body) {
    for (;;) {
      const answer = await this.#send(method, path, body);
      if (answer.ok) return answer;
      if (answer.status !== 401) throw await refusal(answer);
      this.key = await this.askKey(this.key !== "");
      sessionStorage.setItem(KEY, this.key);
    }
  }

  async #send(method, path, body) {
    try {
      const headers = this.key ? { "X-API-Key": this.key } : {};
      return await fetch(`/v1${path}`, { method, headers, body });
    } catch {
      throw new Refusal("the server does not answer", { hint: "is it still running?" });
    }
  }
}

async function refusal(answer) {
  const { error } = await answer.json().catch(() => ({}));
  const { message = `the server answered ${answer.status}`, ...more } = error ?? {};
  const later = answer.headers.get("Retry-After");
  if (later) more.hint = `try again in ${later} s`;
  return new Refusal(message, { ...more, status: answer.status });
}
