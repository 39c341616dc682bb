/** The time, as often as relative times need it. */

const STEP_MS = 30_000;

class Clock {
  now = $state(Date.now());

  constructor() {
    setInterval(() => this.#tick(), STEP_MS);
    document.addEventListener('visibilitychange', () => this.#tick());
  }

  #tick(): void {
    if (!document.hidden) this.now = Date.now();
  }
}

export const wallClock = new Clock();
