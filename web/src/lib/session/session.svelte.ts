/** Who uses the page, and what the server says about itself. */

import * as api from '../api/auth';
import { CallError, currentToken, endCalls, setToken, whenUnauthorised } from '../api/http';
import type { Config, Session as Account, Settings } from '../api/shapes';
import { readLocal, writeLocal } from '../ui/storage';
import { dropHandedToken, handedToken } from './provider';

/** Key under which the token is kept; the name is part of the web client's contract. */
const TOKEN_KEY = 'token';

/** Waits between tries while the server does not answer. */
const RETRY_MS = [1_000, 2_000, 4_000, 8_000, 15_000];

/** A token is given up this long before it ends. */
const EXPIRY_MARGIN_MS = 5_000;

/** Timers reach 24 days at most; a longer life is looked at again. */
const LONGEST_TIMER_MS = 12 * 3600 * 1000;

/** `booting` until the server answered once, `unreachable` while it does not. */
export type Status = 'booting' | 'unreachable' | 'signed-out' | 'pending' | 'ready';

class Session {
  status = $state<Status>('booting');
  config = $state.raw<Config | null>(null);
  user = $state.raw<Account | null>(null);
  settings = $state.raw<Settings>({});
  /** Said once on the sign-in page after a session ended by itself. */
  notice = $state('');

  /** Whether nobody was signed in when the page was opened, and nobody has been since. */
  fresh = $state(false);

  /** While signing out; the server ends the socket then, which is no news. */
  leaving = false;

  #expiry: ReturnType<typeof setTimeout> | undefined;
  #checking = false;
  #attempt = 0;

  constructor() {
    whenUnauthorised(() => void this.check());
    // Signing out or in on another tab concerns this one too.
    addEventListener('storage', (event) => {
      if (event.key !== TOKEN_KEY || event.oldValue === event.newValue) return;
      if (event.newValue === null) this.#drop('');
      else if (this.status === 'signed-out') void this.boot();
    });
  }

  get isAdmin(): boolean {
    return this.user?.role === 'admin';
  }

  get name(): string {
    return this.config?.name || 'Antiphon';
  }

  feature(name: string): boolean {
    return this.config?.features[name] === true;
  }

  /** Whether a chat permission is granted; administrators have all. */
  mayChat(name: string): boolean {
    return this.isAdmin || this.user?.permissions?.chat?.[name] !== false;
  }

  /** Reads the configuration and the stored session; tries again by itself while the server is away. */
  async boot(): Promise<void> {
    const handed = handedToken(document.cookie);
    if (handed !== null) writeLocal(TOKEN_KEY, handed);
    const token = handed ?? readLocal(TOKEN_KEY);
    setToken(token);
    try {
      this.config = await api.readConfig();
      if (token === null) {
        this.fresh = true;
        this.status = 'signed-out';
      } else {
        await this.#enter(await api.readSession());
        if (handed !== null) this.#sendTimezone();
      }
      this.#attempt = 0;
    } catch (error) {
      if (error instanceof CallError && error.status === 401) {
        if (handed !== null) dropHandedToken();
        this.#drop('');
        return;
      }
      this.status = 'unreachable';
      const wait = RETRY_MS[Math.min(this.#attempt, RETRY_MS.length - 1)] ?? 1_000;
      this.#attempt += 1;
      setTimeout(() => void this.boot(), wait);
    }
  }

  async signIn(email: string, password: string): Promise<void> {
    await this.#begin(await api.signIn(email, password));
  }

  async signUp(name: string, email: string, password: string): Promise<void> {
    await this.#begin(await api.signUp(name, email, password));
  }

  async signOut(): Promise<void> {
    // The server learns of it if it can; the token is dropped here in any case.
    this.leaving = true;
    endCalls();
    const answer = await api.signOut().catch(() => undefined);
    this.leaving = false;
    this.#drop('');
    // The provider's session ends on a page of the provider.
    const next = answer?.redirect_url;
    if (next && /^https?:\/\//.test(next)) {
      location.assign(next);
      return;
    }
    await this.#readConfig();
  }

  /** Asks whether the session still stands, after a 401, a closed socket or on request. */
  async check(): Promise<void> {
    if (this.#checking || this.status === 'signed-out' || this.status === 'booting') return;
    this.#checking = true;
    const token = currentToken();
    try {
      const account = await api.readSession();
      if (currentToken() !== token) return;
      const changed = account.role !== this.user?.role;
      await this.#enter(account);
      if (changed) await this.#readConfig();
    } catch (error) {
      // The answer may be about a session that has been given up or replaced meanwhile.
      if (currentToken() !== token || !(error instanceof CallError) || error.status !== 401) return;
      // A new role ends all sessions, also of somebody who waited for it.
      this.#drop(
        this.status === 'pending'
          ? 'Your account has changed. Sign in to go on.'
          : 'Your session has ended. Sign in again to go on.',
      );
      await this.#readConfig();
    } finally {
      this.#checking = false;
    }
  }

  renamed(name: string): void {
    if (this.user) this.user = { ...this.user, name };
  }

  async saveSettings(change: Settings['ui']): Promise<void> {
    const ui = { ...this.settings.ui, ...change };
    const saved = await api.updateSettings({ ...this.settings, ui });
    this.settings = saved ?? { ui };
  }

  async #begin(account: Account): Promise<void> {
    writeLocal(TOKEN_KEY, account.token);
    this.notice = '';
    setToken(account.token);
    // With the cookie that came along, the server tells more about itself.
    await this.#readConfig();
    await this.#enter(account);
    this.#sendTimezone();
  }

  #sendTimezone(): void {
    const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (timezone) void api.sendTimezone(timezone).catch(() => undefined);
  }

  async #enter(account: Account): Promise<void> {
    const renewed = account.token && account.token !== readLocal(TOKEN_KEY);
    if (renewed) {
      writeLocal(TOKEN_KEY, account.token);
      setToken(account.token);
    }
    this.user = account;
    this.#watchExpiry(account.expires_at);
    if (account.role === 'pending') {
      this.status = 'pending';
      return;
    }
    if (this.status !== 'ready') {
      this.settings = (await api.readSettings().catch(() => null)) ?? {};
      this.status = 'ready';
    }
  }

  #drop(notice: string): void {
    clearTimeout(this.#expiry);
    this.fresh = false;
    writeLocal(TOKEN_KEY, null);
    endCalls();
    setToken(null);
    this.user = null;
    this.settings = {};
    this.notice = notice;
    this.status = 'signed-out';
  }

  async #readConfig(): Promise<void> {
    try {
      this.config = await api.readConfig();
    } catch {
      // What was read before still holds well enough.
    }
  }

  #watchExpiry(expiresAt: number | null): void {
    clearTimeout(this.#expiry);
    if (!expiresAt) return;
    const left = expiresAt * 1000 - Date.now() - EXPIRY_MARGIN_MS;
    this.#expiry = setTimeout(
      () => {
        if (left > LONGEST_TIMER_MS) this.#watchExpiry(expiresAt);
        else this.#drop('Your session has ended. Sign in again to go on.');
      },
      Math.max(0, Math.min(left, LONGEST_TIMER_MS)),
    );
  }
}

export const session = new Session();
