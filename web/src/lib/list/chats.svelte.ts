/** The list of chats: newest first, pinned apart, kept up to date by events. */

import * as api from '../api/chats';
import { causeOf } from '../api/http';
import type { ChatItem } from '../api/shapes';
import { connection } from '../realtime/connection.svelte';
import type { Envelope, ListData } from '../realtime/events';
import { appendPage, isUnread, mergeFirstPage } from './merge';

type Broadcast = { kind: 'changed' } | { kind: 'gone'; id: string };

class Chats {
  rows = $state.raw<ChatItem[]>([]);
  pinned = $state.raw<ChatItem[]>([]);
  phase = $state<'loading' | 'ready' | 'failed'>('loading');
  failure = $state('');
  complete = $state(false);

  #page = 1;
  #reading = false;
  #again = false;
  #loadingMore = false;
  #gone = new Set<(id: string) => void>();
  // Renames and deletions are not told over the socket by every server; tabs of one browser tell each other.
  #channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('antiphon.chats') : null;

  constructor() {
    this.#channel?.addEventListener('message', (event: MessageEvent<Broadcast>) => {
      if (event.data.kind === 'gone') this.#forget(event.data.id);
      void this.refresh();
    });
  }

  /** Rows that are not pinned, for the list by day. */
  get unpinned(): ChatItem[] {
    const pinned = new Set(this.pinned.map((row) => row.id));
    return this.rows.filter((row) => !pinned.has(row.id));
  }

  find(id: string): ChatItem | undefined {
    return this.rows.find((row) => row.id === id) ?? this.pinned.find((row) => row.id === id);
  }

  isPinned(id: string): boolean {
    return this.pinned.some((row) => row.id === id);
  }

  /** Called when a chat was deleted or archived, here or in another tab. */
  whenGone(callback: (id: string) => void): () => void {
    this.#gone.add(callback);
    return () => this.#gone.delete(callback);
  }

  /** Reads the first page again. Calls during a read lead to one more read, not to many. */
  async refresh(): Promise<void> {
    if (this.#reading) {
      this.#again = true;
      return;
    }
    this.#reading = true;
    try {
      do {
        this.#again = false;
        const [page, pinned] = await Promise.all([api.listChats(1), api.listPinned()]);
        this.rows = mergeFirstPage(this.rows, page);
        this.pinned = pinned;
        if (page.length === 0) this.complete = true;
        this.phase = 'ready';
        this.failure = '';
      } while (this.#again);
    } catch (error) {
      this.failure = causeOf(error);
      if (this.phase === 'loading') this.phase = 'failed';
    } finally {
      this.#reading = false;
    }
  }

  async more(): Promise<void> {
    if (this.complete || this.#loadingMore || this.phase !== 'ready') return;
    this.#loadingMore = true;
    try {
      const page = await api.listChats(this.#page + 1);
      this.#page += 1;
      if (page.length === 0) this.complete = true;
      this.rows = appendPage(this.rows, page);
    } catch (error) {
      this.failure = causeOf(error);
      this.complete = true;
    } finally {
      this.#loadingMore = false;
    }
  }

  async rename(id: string, title: string): Promise<void> {
    await this.#keepingRead(id, () => api.renameChat(id, title));
    this.#change(id, (row) => ({ ...row, title }));
    this.#tell({ kind: 'changed' });
  }

  async pin(id: string): Promise<void> {
    await this.#keepingRead(id, () => api.togglePin(id));
    await this.refresh();
    this.#tell({ kind: 'changed' });
  }

  async archive(id: string): Promise<void> {
    await api.toggleArchive(id);
    this.#leave(id);
  }

  async restore(id: string): Promise<void> {
    await this.#keepingRead(id, () => api.toggleArchive(id));
    await this.refresh();
    this.#tell({ kind: 'changed' });
  }

  async delete(id: string): Promise<void> {
    await api.deleteChat(id);
    this.#leave(id);
  }

  onEvent(envelope: Envelope): void {
    const id = envelope.chat_id;
    const type = envelope.data?.type;
    const data = envelope.data?.data;
    if (type === 'chat:list') {
      const list = data as ListData | undefined;
      if (list?.last_read_at === undefined) void this.refresh();
      else if (list.chat_id) {
        const readAt = list.last_read_at;
        this.#change(list.chat_id, (row) => ({ ...row, last_read_at: Math.max(readAt, row.last_read_at ?? 0) }));
      }
    } else if (id && type === 'chat:title' && typeof data === 'string') {
      this.#change(id, (row) => ({ ...row, title: data }));
    } else if (id && type === 'chat:active') {
      const active = (data as { active?: boolean } | undefined)?.active === true;
      this.#change(id, (row) => ({ ...row, active }));
    }
  }

  forget(): void {
    this.rows = [];
    this.pinned = [];
    this.phase = 'loading';
    this.complete = false;
    this.#page = 1;
  }

  /** A new title or place is nothing to read: a chat that had been read stays so. */
  async #keepingRead(id: string, action: () => Promise<unknown>): Promise<void> {
    const row = this.find(id);
    await action();
    if (!row || !isUnread(row)) connection.emit('events:chat', { chat_id: id, data: { type: 'last_read_at' } });
  }

  #change(id: string, change: (row: ChatItem) => ChatItem): void {
    // The list that is being read may be older than this; then it is read once more.
    if (this.#reading) this.#again = true;
    const apply = (rows: ChatItem[]) => rows.map((row) => (row.id === id ? change(row) : row));
    this.rows = apply(this.rows);
    this.pinned = apply(this.pinned);
  }

  #leave(id: string): void {
    this.#forget(id);
    this.#tell({ kind: 'gone', id });
  }

  #forget(id: string): void {
    this.rows = this.rows.filter((row) => row.id !== id);
    this.pinned = this.pinned.filter((row) => row.id !== id);
    for (const callback of this.#gone) callback(id);
  }

  #tell(message: Broadcast): void {
    this.#channel?.postMessage(message);
  }
}

export const chats = new Chats();
