/** What a screen reader hears of an answer that is being written: whole sentences, not letters. */

import { takeSentences } from '../text/sentences';

/** Least time between two announcements; what comes in between is said together. */
const PACE_MS = 1_500;

class Announcer {
  text = $state('');

  #id = '';
  #next = 0;
  #latest = { text: '', done: true };
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastSaid = 0;

  /** Follows the answer `id` as its text grows. */
  follow(id: string, text: string, done: boolean): void {
    if (id !== this.#id) {
      this.#id = id;
      this.#next = 0;
    }
    this.#latest = { text, done };
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, this.#lastSaid + PACE_MS - Date.now());
    this.#timer = setTimeout(() => this.#speak(), wait);
  }

  /** Says one short sentence at once. */
  say(text: string): void {
    this.text = text;
  }

  #speak(): void {
    this.#timer = undefined;
    const { said, next } = takeSentences(this.#latest.text, this.#next, this.#latest.done);
    if (next === this.#next) return;
    this.#next = next;
    this.#lastSaid = Date.now();
    if (said) this.text = said;
  }
}

export const announcer = new Announcer();
