/**
 * Notices that the server was replaced by another version, and loads the page anew when nobody is in the middle of
 * something.
 */

import { readVersion } from '../api/auth';
import type { Version } from '../api/shapes';

/** How often a waiting reload looks for a quiet moment. */
const LOOK_MS = 3_000;

class VersionWatch {
  /** A newer version is there, but the page is in use. */
  waiting = $state(false);

  #first: string | null = null;
  #busy: () => boolean = () => false;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** `busy` says whether a reload now would disturb: text being written, a reply arriving, a dialog open. */
  guardedBy(busy: () => boolean): void {
    this.#busy = busy;
  }

  async check(): Promise<void> {
    let found: string;
    try {
      found = fingerprint(await readVersion());
    } catch {
      return;
    }
    this.#first ??= found;
    if (found === this.#first) return;
    this.waiting = true;
    this.#timer ??= setInterval(() => this.#reloadWhenIdle(), LOOK_MS);
    this.#reloadWhenIdle();
  }

  reload(): void {
    location.reload();
  }

  #reloadWhenIdle(): void {
    if (this.#busy()) return;
    clearInterval(this.#timer);
    this.reload();
  }
}

function fingerprint(version: Version): string {
  return JSON.stringify([version.version, version.deployment_id, version.antiphon ?? '']);
}

export const versionWatch = new VersionWatch();
