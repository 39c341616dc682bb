/** Chats, models and replies. */

import { call, get, post, remove } from './http';
import type { Chat, ChatItem, Model, ProviderState, Tag } from './shapes';

const chatPath = (id: string) => `/api/v1/chats/${encodeURIComponent(id)}`;

export const listChats = (page: number) => get<ChatItem[]>('/api/v1/chats/', { page });

export const listPinned = () => get<ChatItem[]>('/api/v1/chats/pinned');

export const listArchived = (page: number) =>
  get<ChatItem[]>('/api/v1/chats/archived', { page, order_by: 'updated_at', direction: 'desc' });

/** Chats whose title or text holds `text`; `snippet` says where. */
export const searchChats = (text: string, page: number) => get<ChatItem[]>('/api/v1/chats/search', { text, page });

export const readChat = (id: string) => get<Chat>(chatPath(id));

export const readTags = (id: string) => get<Tag[]>(`${chatPath(id)}/tags`);

export const renameChat = (id: string, title: string) => post<Chat>(chatPath(id), { chat: { title } });

/** Keeps which branch is shown, also when the page is left right after it was chosen. */
export const showBranch = (id: string, currentId: string) =>
  call<Chat>(chatPath(id), { method: 'POST', body: { chat: { history: { currentId } } }, outlivesPage: true });

export const togglePin = (id: string) => post<Chat>(`${chatPath(id)}/pin`);

export const toggleArchive = (id: string) => post<Chat>(`${chatPath(id)}/archive`);

export const deleteChat = (id: string) => remove<boolean>(chatPath(id));

export interface CompletionAnswer {
  status: boolean;
  task_ids?: string[];
  chat_id?: string;
}

export const requestReply = (body: unknown) => post<CompletionAnswer>('/api/chat/completions', body);

export const readTasks = (chatId: string) =>
  get<{ task_ids: string[] }>(`/api/tasks/chat/${encodeURIComponent(chatId)}`);

export const stopTasks = (chatId: string) => post<unknown>(`/api/tasks/chat/${encodeURIComponent(chatId)}/stop`);

export const listModels = (refresh = false) =>
  get<{ data: Model[] }>('/api/models', refresh ? { refresh: true } : undefined);

export const listProviders = () => get<ProviderState[]>('/api/v1/antiphon/providers');
