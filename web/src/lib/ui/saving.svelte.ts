/** The state of one form that saves: at rest, saving, saved, failed. */

import { causeOf } from '../api/http';

/** How long a form says that it saved. */
const SAID_MS = 4_000;

export class Saving {
  busy = $state(false);
  saved = $state(false);
  problem = $state('');

  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Runs one save; answers whether it worked. */
  async run(action: () => Promise<unknown>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.saved = false;
    this.problem = '';
    clearTimeout(this.#timer);
    try {
      await action();
      this.saved = true;
      this.#timer = setTimeout(() => (this.saved = false), SAID_MS);
      return true;
    } catch (error) {
      this.problem = causeOf(error);
      return false;
    } finally {
      this.busy = false;
    }
  }
}
