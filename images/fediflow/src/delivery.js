// Hands new notes to the delivery queue. The database remembers what has not been handed
// over, so a note that was acknowledged while the queue was away is delivered later.
import { toCreate } from "./federation.js";
import { log } from "./log.js";

const SWEEP_MS = 15_000;

export class Delivery {
  #federation;
  #notes;
  #origin;
  #timer;
  #sweeping = Promise.resolve();
  #stopped = false;

  constructor({ federation, notes, config }) {
    this.#federation = federation;
    this.#notes = notes;
    this.#origin = new URL(config.origin);
  }

  // Never fails: what cannot be handed over now is left to a sweep.
  async announce(note) {
    try {
      const context = this.#federation.createContext(this.#origin, undefined);
      await context.sendActivity({ identifier: note.handle }, "followers", toCreate(context, note), {
        preferSharedInbox: true,
      });
      await this.#notes.fanoutDone(note);
    } catch (error) {
      log.warn("Note {id} is not yet in the delivery queue: {reason}", { id: note.id, reason: error.message });
    }
  }

  // Many processes start together; the jitter keeps them from sweeping together.
  start() {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#sweeping = this.#sweep().then(() => this.start());
    }, SWEEP_MS * (1 + Math.random()));
  }

  async #sweep() {
    try {
      for (const note of await this.#notes.claimFanouts()) await this.announce(note);
    } catch (error) {
      log.warn("Looking for undelivered notes failed: {reason}", { reason: error.message });
    }
  }

  async stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#sweeping;
  }
}
