/** What only administrators may call. */

import { call, get, post, remove } from './http';
import type { AdminConfig, ModelRecord, OllamaConfig, OpenAiConfig, Role, User } from './shapes';

/** Asking a provider for its models may take as long as the server allows itself. */
const VERIFY_TIMEOUT_MS = 30_000;

export const listUsers = (page: number, query: string) =>
  get<{ users: User[]; total: number }>('/api/v1/users/', {
    page,
    order_by: 'created_at',
    direction: 'asc',
    query: query || undefined,
  });

export const addUser = (user: { name: string; email: string; password: string; role: Role }) =>
  post<unknown>('/api/v1/auths/add', { ...user, profile_image_url: '/user.png' });

export const updateUser = (user: User) =>
  post<User>(`/api/v1/users/${encodeURIComponent(user.id)}/update`, {
    role: user.role,
    name: user.name,
    email: user.email,
    profile_image_url: user.profile_image_url,
  });

export const deleteUser = (id: string) => remove<boolean>(`/api/v1/users/${encodeURIComponent(id)}`);

export const readOpenAi = () => get<OpenAiConfig>('/openai/config');

export const updateOpenAi = (config: OpenAiConfig) => post<OpenAiConfig>('/openai/config/update', config);

export const readOllama = () => get<OllamaConfig>('/ollama/config');

export const updateOllama = (config: OllamaConfig) => post<OllamaConfig>('/ollama/config/update', config);

const verify = <T>(path: string, body: unknown) => call<T>(path, { method: 'POST', body, timeoutMs: VERIFY_TIMEOUT_MS });

export const verifyOpenAi = (url: string, key: string, config: Record<string, unknown>) =>
  verify<{ data?: { id: string }[] }>('/openai/verify', { url, key, config });

export const verifyOllama = (url: string, key: string) => verify<{ version?: string }>('/ollama/verify', { url, key });

export const readAdminConfig = () => get<AdminConfig>('/api/v1/auths/admin/config');

export const updateAdminConfig = (config: AdminConfig) => post<AdminConfig>('/api/v1/auths/admin/config', config);

export const listModelRecords = () => get<ModelRecord[]>('/api/v1/models/all');

export const storeModelRecord = (record: ModelRecord, exists: boolean) =>
  post<ModelRecord>(exists ? '/api/v1/models/model/update' : '/api/v1/models/create', record);
