/** The one Socket.IO connection of this tab, and what the page says about it. */

import { io, type Socket } from 'socket.io-client';
import { currentToken } from '../api/http';
import { session } from '../session/session.svelte';
import type { Envelope } from './events';

/** A break shorter than this is not worth a word. */
const GRACE_MS = 1_500;

const HEARTBEAT_SECONDS = 30;

/** After the server says that events were missed, every page reads again; spread, so that not all do it at once. */
const RESYNC_SPREAD_MS = 1_000;

/** Longest wait for an acknowledgement. */
const ACK_MS = 10_000;

/** How long a question waits for the connection before it is called failed. */
const CONNECT_MS = 8_000;

type Listener = (envelope: Envelope) => void;

class Connection {
  online = $state(false);
  /** When the connection was lost, in milliseconds; null while there is nothing to say. */
  lostAt = $state<number | null>(null);
  /** The browser itself says that there is no network. */
  noNetwork = $state(!navigator.onLine);

  #socket: Socket | null = null;
  #listeners = new Set<Listener>();
  #connected = new Set<(resumed: boolean) => void>();
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #grace: ReturnType<typeof setTimeout> | undefined;
  #resyncing: ReturnType<typeof setTimeout> | undefined;
  #wasOnline = false;

  constructor() {
    addEventListener('offline', () => {
      this.noNetwork = true;
    });
    addEventListener('online', () => {
      this.noNetwork = false;
      // No need to sit out the rest of the wait.
      if (this.#socket && !this.#socket.connected) this.#socket.connect();
    });
  }

  /** The id of this socket; replies are asked for in its name. */
  get id(): string | null {
    return this.#socket?.connected ? (this.#socket.id ?? null) : null;
  }

  open(): void {
    if (this.#socket) return;
    const websocketOnly = session.config?.features['enable_websocket'] !== false;
    const socket = io({
      path: '/ws/socket.io',
      transports: websocketOnly ? ['websocket'] : ['polling', 'websocket'],
      auth: (give) => give({ token: currentToken() ?? '' }),
      reconnectionDelay: 1_000,
      reconnectionDelayMax: 5_000,
      randomizationFactor: 0.5,
    });
    this.#socket = socket;
    socket.on('connect', () => void this.#onConnect(socket));
    socket.on('disconnect', (reason) => this.#onDisconnect(socket, reason));
    socket.on('connect_error', () => this.#lost());
    socket.on('events', (envelope: Envelope) => {
      for (const listener of this.#listeners) listener(envelope);
    });
    socket.on('access:updated', () => void session.check());
    socket.on('antiphon:resync', () => this.#resync());
  }

  close(): void {
    clearInterval(this.#heartbeat);
    clearTimeout(this.#grace);
    clearTimeout(this.#resyncing);
    this.#resyncing = undefined;
    this.#socket?.removeAllListeners();
    this.#socket?.disconnect();
    this.#socket = null;
    this.online = false;
    this.lostAt = null;
    this.#wasOnline = false;
  }

  /** Waits for a socket; throws a sentence for the reader when none comes in time. */
  async ready(): Promise<string> {
    if (this.id) return this.id;
    return await new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        this.#connected.delete(done);
        if (this.id) resolve(this.id);
      };
      const timer = setTimeout(() => {
        this.#connected.delete(done);
        reject(new Error('The connection is down. The question was not sent; try again when it is back.'));
      }, CONNECT_MS);
      this.#connected.add(done);
    });
  }

  /** Tries at once instead of sitting out the wait. */
  retry(): void {
    if (this.#socket && !this.#socket.connected) this.#socket.disconnect().connect();
  }

  /** Sends one event and forgets it when there is no connection: what it says is said again after a reconnect. */
  emit(event: string, argument: unknown): void {
    if (this.#socket?.connected) this.#socket.emit(event, argument);
  }

  /** Sends one event and waits for its acknowledgement; false when none comes. */
  async ask(event: string, argument: unknown): Promise<unknown> {
    if (!this.#socket?.connected) return false;
    try {
      return await this.#socket.timeout(ACK_MS).emitWithAck(event, argument);
    } catch {
      return false;
    }
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Called on every connect; `resumed` after a break or missed events, when everything on the page may be out of date. */
  whenConnected(callback: (resumed: boolean) => void): () => void {
    this.#connected.add(callback);
    return () => this.#connected.delete(callback);
  }

  async #onConnect(socket: Socket): Promise<void> {
    clearTimeout(this.#grace);
    const resumed = this.#wasOnline;
    await this.ask('user-join', { auth: { token: currentToken() ?? '' } });
    if (this.#socket !== socket || !socket.connected) return;
    this.#wasOnline = true;
    this.online = true;
    this.lostAt = null;
    this.#beat();
    for (const callback of [...this.#connected]) callback(resumed);
  }

  #onDisconnect(socket: Socket, reason: string): void {
    clearInterval(this.#heartbeat);
    this.#lost();
    if (reason !== 'io server disconnect' || session.leaving) return;
    // The server ended it on purpose: the session may be over. If it is not, connect again.
    void session.check().finally(() => {
      if (this.#socket === socket && session.status === 'ready') socket.connect();
    });
  }

  /** Events may have been missed although the connection held: as after a reconnect, everything is read again. */
  #resync(): void {
    this.#resyncing ??= setTimeout(() => {
      this.#resyncing = undefined;
      if (!this.online) return;
      for (const callback of [...this.#connected]) callback(true);
    }, Math.random() * RESYNC_SPREAD_MS);
  }

  #lost(): void {
    this.online = false;
    const since = Date.now();
    clearTimeout(this.#grace);
    if (this.lostAt === null) this.#grace = setTimeout(() => (this.lostAt = since), GRACE_MS);
  }

  #beat(): void {
    clearInterval(this.#heartbeat);
    const seconds = Number(session.config?.features['websocket_heartbeat_interval']) || HEARTBEAT_SECONDS;
    this.#heartbeat = setInterval(() => this.emit('heartbeat', {}), seconds * 1000);
  }
}

export const connection = new Connection();
