/**
 * The open chat: its messages, the replies that arrive, and how both are brought up to date after a gap.
 *
 * Reading a chat while a reply streams: events are held back from before the read until after it, and then applied;
 * their offsets tell what the document already had. A missed delta leads to the same read again.
 */

import { SvelteSet } from 'svelte/reactivity';
import * as api from '../api/chats';
import { CallError, causeOf } from '../api/http';
import type { Chat, History, Message, MessageError } from '../api/shapes';
import { chats } from '../list/chats.svelte';
import { connection } from '../realtime/connection.svelte';
import type { CompletionData, Envelope, MessagesData, ResponseEvent } from '../realtime/events';
import { session } from '../session/session.svelte';
import { applyResponseEvent, ByteCounts, lengthOf } from './assembler';
import { insert, pathOf } from './branches';
import { isIncomplete, textOf } from './parts';

/** Waits before a chat is read again when its stored text is behind the stream. */
const GAP_WAIT_MS = [150, 300, 600, 1200, 2400];

/** Most events held back during a read; beyond that the end of the reply brings the whole text. */
const MAX_HELD = 20_000;

/** Longest wait for the next frame; a tab in the background gets none. */
const FRAME_MS = 120;

/** Events that are answered by reading the chat; during such a read they say nothing new. */
const REREADS = new Set(['chat:reload', 'chat:message', 'chat:outlet', 'replace', 'chat:active']);

export type Phase = 'new' | 'loading' | 'ready' | 'missing' | 'failed';

export type ReplyState = 'writing' | 'done' | 'stopped' | 'interrupted' | 'failed' | 'unsent';

const emptyHistory = (): History => ({ currentId: null, messages: {} });

export class Conversation {
  /** Null while the chat is new, and always for a temporary one. */
  id = $state<string | null>(null);
  temporary = $state(false);
  title = $state('');
  tags = $state.raw<string[]>([]);
  history = $state<History>(emptyHistory());
  phase = $state<Phase>('new');
  failure = $state('');
  /** Replies that are being written. */
  readonly live = new SvelteSet<string>();
  /** Answers whose request the server has not taken. */
  readonly unsent = new SvelteSet<string>();

  readonly path = $derived(pathOf(this.history));

  /** Grows with each chat that is opened: answers to older questions are ignored. */
  epoch = 0;

  #held: Envelope[] | null = null;
  #queue: { messageId: string; event: ResponseEvent }[] = [];
  #frame: (() => void) | null = null;
  #counts = new Map<string, ByteCounts>();
  #adopted: ((id: string) => void) | null = null;

  get writing(): boolean {
    return this.live.size > 0;
  }

  stateOf(message: Message): ReplyState {
    if (this.unsent.has(message.id)) return 'unsent';
    if (message.error) return 'failed';
    if (this.live.has(message.id)) return 'writing';
    if (message.done !== true) return 'interrupted';
    return isIncomplete(message) ? 'stopped' : 'done';
  }

  /** Called when the server has given a new chat its id. */
  whenAdopted(callback: (id: string) => void): void {
    this.#adopted = callback;
  }

  /** An empty page for a new chat. */
  reset(temporary = false): void {
    this.#leave();
    this.#clear();
    this.temporary = temporary;
    this.phase = 'new';
  }

  async open(id: string): Promise<void> {
    this.#leave();
    this.#clear();
    this.id = id;
    this.title = chats.find(id)?.title ?? '';
    this.phase = 'loading';
    this.#join();
    await this.read();
    this.markRead();
  }

  /** Reads the chat again and keeps showing what is there meanwhile. */
  async read(): Promise<void> {
    const { id, epoch } = this;
    if (id === null || this.#held !== null) return;
    this.#flush();
    this.#held = [];
    let failure: unknown = null;
    for (let attempt = 0; attempt <= GAP_WAIT_MS.length; attempt += 1) {
      try {
        const chat = await api.readChat(id);
        if (epoch !== this.epoch) return;
        this.#take(chat);
      } catch (error) {
        if (epoch !== this.epoch) return;
        failure = error;
        break;
      }
      if (this.#replay()) break;
      await new Promise((resolve) => setTimeout(resolve, GAP_WAIT_MS[attempt] ?? 0));
      if (epoch !== this.epoch) return;
    }
    this.#held = null;
    if (failure) this.#readFailed(failure);
    else await this.#settle(id, epoch);
  }

  /** After a connect: take a seat in the chat's room again and see what was missed. */
  connected(resumed: boolean): void {
    if (this.id === null) return;
    this.#join();
    if (resumed || this.writing) void this.read();
  }

  /** Tells the server that this chat has been seen, which takes the dot off in every tab. */
  markRead(): void {
    if (this.id === null || document.hidden || this.phase !== 'ready') return;
    connection.emit('events:chat', { chat_id: this.id, data: { type: 'last_read_at' } });
  }

  /** Gives a new chat the id that the server chose. */
  adopt(id: string): void {
    if (this.id !== null || this.temporary) return;
    this.id = id;
    this.phase = 'ready';
    this.#join();
    this.#adopted?.(id);
  }

  onEvent(envelope: Envelope): void {
    const messageId = envelope.message_id ?? '';
    const own = this.history.messages[messageId] !== undefined;
    if (!own && (this.id === null || envelope.chat_id !== this.id)) return;
    const type = envelope.data?.type ?? '';
    // The copies for everybody in the room repeat what this person's own room has told, but for new messages.
    if (envelope.shared && envelope.user_id === session.user?.id && type !== 'chat:messages') return;
    if (own && envelope.chat_id && !envelope.chat_id.includes(':')) this.adopt(envelope.chat_id);
    if (this.#held) {
      if (this.#held.length < MAX_HELD) this.#held.push(envelope);
      return;
    }
    if (type === 'response:completion') {
      this.#queue.push({ messageId, event: (envelope.data?.data ?? {}) as ResponseEvent });
      this.#schedule();
      return;
    }
    this.#flush();
    this.#apply(type, messageId, envelope.data?.data);
  }

  #apply(type: string, messageId: string, data: unknown): void {
    const message = this.history.messages[messageId];
    switch (type) {
      case 'chat:completion':
        if (message) this.#complete(message, (data ?? {}) as CompletionData);
        else if ((data as CompletionData | undefined)?.done) void this.read();
        break;
      case 'chat:message:error': {
        const failure = (data ?? {}) as { error?: unknown };
        if (message) this.#end(message, failure.error ?? true);
        break;
      }
      case 'chat:tasks:cancel':
        if (message) this.#cancel(message, (data ?? {}) as CompletionData);
        break;
      case 'chat:message:follow_ups':
        if (message) message.followUps = (data as { follow_ups?: string[] }).follow_ups ?? [];
        break;
      case 'chat:title':
        if (typeof data === 'string') this.title = data;
        break;
      case 'chat:tags':
        if (Array.isArray(data)) this.tags = data.map(String);
        break;
      case 'chat:messages':
        this.#merge((data ?? {}) as MessagesData);
        break;
      case 'chat:active':
        if ((data as { active?: boolean } | undefined)?.active === false) this.#finished();
        break;
      case 'chat:reload':
      case 'chat:message':
      case 'chat:outlet':
      case 'replace':
        void this.read();
        break;
    }
  }

  #complete(message: Message, data: CompletionData): void {
    if (data.output) {
      // A snapshot may be older than the deltas that have come since; the last word is always right.
      const newer = !message.done && lengthOf(data.output) >= lengthOf(message.output ?? []);
      if (data.done || newer) message.output = data.output;
    } else if (typeof data.content === 'string' && !message.output?.length) {
      message.content = data.content;
    }
    if (data.title) this.title = data.title;
    if (data.error) this.#end(message, data.error);
    else if (data.done) this.#end(message);
  }

  #cancel(message: Message, data: CompletionData): void {
    if (message.done && !data.output) return;
    if (data.output) message.output = data.output;
    const last = message.output?.at(-1);
    if (last && last.status === 'in_progress') last.status = 'incomplete';
    // Stopped before the first word: an item that says so, as the server does for later ones.
    if (!last) message.output = [{ type: 'message', role: 'assistant', status: 'incomplete', content: [] }];
    this.#end(message);
  }

  #end(message: Message, error?: unknown): void {
    if (error) message.error = error as MessageError | string | boolean;
    message.content = textOf(message);
    message.done = true;
    this.live.delete(message.id);
    this.#counts.delete(message.id);
    // Its end has been seen, whatever still follows: a title, suggestions.
    this.markRead();
  }

  #merge(data: MessagesData): void {
    const fresh: Message[] = [];
    for (const message of Object.values(data.messages ?? {})) {
      const known = this.history.messages[message.id];
      if (known) known.childrenIds = [...new Set([...known.childrenIds, ...message.childrenIds])];
      else fresh.push(message);
    }
    insert(this.history, fresh);
    for (const message of fresh) if (message.role === 'assistant' && message.done !== true) this.live.add(message.id);
    if (data.currentId && this.history.messages[data.currentId]) this.history.currentId = data.currentId;
  }

  #finished(): void {
    if (this.writing) void this.read();
    this.markRead();
  }

  #schedule(): void {
    if (this.#frame) return;
    const run = () => {
      this.#frame?.();
      this.#flush();
    };
    const timer = setTimeout(run, FRAME_MS);
    const frame = requestAnimationFrame(run);
    this.#frame = () => {
      clearTimeout(timer);
      cancelAnimationFrame(frame);
      this.#frame = null;
    };
  }

  /** Applies the deltas that have come since the last frame. */
  #flush(): void {
    this.#frame?.();
    const queue = this.#queue;
    this.#queue = [];
    let gap = false;
    for (const { messageId, event } of queue) if (!this.#grow(messageId, event)) gap = true;
    if (gap) void this.read();
  }

  /** False when the delta does not fit: something before it is missing. */
  #grow(messageId: string, event: ResponseEvent): boolean {
    const message = this.history.messages[messageId];
    if (!message) return false;
    if (message.done === true) return true;
    if (!message.output) message.output = [];
    const counts = this.#counts.get(messageId) ?? new ByteCounts();
    this.#counts.set(messageId, counts);
    const outcome = applyResponseEvent(message.output, event, counts);
    if (outcome === 'applied') this.live.add(messageId);
    return outcome !== 'gap';
  }

  /** Applies what was held back. False when the document was older than the first of it. */
  #replay(): boolean {
    const held = this.#held ?? [];
    while (held.length > 0) {
      const envelope = held[0];
      const type = envelope?.data?.type ?? '';
      const messageId = envelope?.message_id ?? '';
      if (type === 'response:completion') {
        if (!this.#grow(messageId, (envelope?.data?.data ?? {}) as ResponseEvent)) return false;
      } else if (!REREADS.has(type)) {
        this.#apply(type, messageId, envelope?.data?.data);
      }
      held.shift();
    }
    return true;
  }

  #take(chat: Chat): void {
    const history = chat.chat.history ?? emptyHistory();
    // What has not reached the server yet stays on the page.
    const waiting = this.path.filter((message) => !history.messages[message.id] && this.#isLocal(message));
    for (const id of Object.keys(history.messages)) this.unsent.delete(id);
    this.#counts.clear();
    this.history = { currentId: history.currentId ?? null, messages: history.messages };
    if (waiting.length > 0) {
      insert(this.history, waiting);
      this.history.currentId = waiting.at(-1)?.id ?? this.history.currentId;
    }
    this.live.clear();
    for (const message of Object.values(this.history.messages)) {
      const open = message.role === 'assistant' && message.done !== true && !message.error;
      if (open && !this.unsent.has(message.id)) this.live.add(message.id);
    }
    this.title = chat.title;
    this.tags = chat.meta?.tags ?? this.tags;
    this.phase = 'ready';
    this.failure = '';
  }

  #isLocal(message: Message): boolean {
    const answer = message.role === 'assistant' ? message.id : (message.childrenIds.at(-1) ?? '');
    return this.unsent.has(answer) || this.live.has(answer);
  }

  /** Finds out whether what looks unfinished is still being written. */
  async #settle(id: string, epoch: number): Promise<void> {
    if (!this.writing) return;
    try {
      const before = new Set(this.live);
      const { task_ids: tasks } = await api.readTasks(id);
      if (epoch !== this.epoch || (tasks ?? []).length > 0) return;
      // It may have ended between the two reads; what is still open then was interrupted.
      const chat = await api.readChat(id);
      if (epoch !== this.epoch || this.#held !== null) return;
      if (![...this.live].every((live) => before.has(live))) return;
      this.#take(chat);
      this.live.clear();
    } catch {
      // Without an answer, what looks live is shown as live; the next connect asks again.
    }
  }

  #readFailed(error: unknown): void {
    const gone = error instanceof CallError && (error.status === 401 || error.status === 403 || error.status === 404);
    if (gone && session.status === 'ready') this.phase = 'missing';
    else if (this.phase === 'loading') {
      this.phase = 'failed';
      this.failure = causeOf(error);
    }
  }

  #join(): void {
    if (this.id !== null) void connection.ask('events:chat', { chat_id: this.id, data: { type: 'join' } });
  }

  #leave(): void {
    if (this.id !== null) connection.emit('events:chat', { chat_id: this.id, data: { type: 'leave' } });
  }

  #clear(): void {
    this.epoch += 1;
    this.#frame?.();
    this.#queue = [];
    this.#held = null;
    this.#counts.clear();
    this.live.clear();
    this.unsent.clear();
    this.id = null;
    this.temporary = false;
    this.title = '';
    this.tags = [];
    this.failure = '';
    this.history = emptyHistory();
  }
}

export const conversation = new Conversation();
