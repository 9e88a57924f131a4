// What was made here, remembered by this browser: ids and texts, never the motions themselves.

const PLACE = "motiongpt3.history";
const MOST = 100; // as many ids as the server checks at once

/** Entries `{ id, text, how, seconds }`, the newest first. Dispatches `change`. */
export class History extends EventTarget {
  #gone = new Set();

  constructor(storage = localStorage) {
    super();
    this.storage = storage;
    this.entries = read(storage);
  }

  add(motions, how) {
    const many = motions.length > 1;
    const fresh = motions.map(({ id, text, seconds }, i) => {
      return { id, text, how: many ? `variant ${i + 1}` : how, seconds };
    });
    const ids = new Set(fresh.map((entry) => entry.id));
    this.#keep([...fresh, ...this.entries.filter((entry) => !ids.has(entry.id))].slice(0, MOST));
  }

  /** Another text for a motion, e.g. its caption. */
  describe(id, text) {
    this.#keep(this.entries.map((entry) => (entry.id === id ? { ...entry, text } : entry)));
  }

  clear() {
    this.#keep([]);
  }

  isGone(id) {
    return this.#gone.has(id);
  }

  markGone(ids) {
    for (const id of ids) this.#gone.add(id);
    this.dispatchEvent(new Event("change"));
  }

  #keep(entries) {
    this.entries = entries;
    try {
      this.storage.setItem(PLACE, JSON.stringify(entries));
    } catch {
      // No room, or storage is switched off: the list still lives as long as the page.
    }
    this.dispatchEvent(new Event("change"));
  }
}

function read(storage) {
  try {
    const entries = JSON.parse(storage.getItem(PLACE) ?? "[]");
    return entries.filter(({ id, text, how, seconds }) => {
      const texts = typeof text === "string" && typeof how === "string";
      return /^[0-9a-f]{32}$/.test(id) && texts && Number.isFinite(seconds);
    });
  } catch {
    return []; // somebody else wrote there
  }
}
