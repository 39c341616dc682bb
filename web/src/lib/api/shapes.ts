/** Shapes of the HTTP surface, as far as the page reads them. Times are seconds unless noted. */

export type Role = 'admin' | 'user' | 'pending';

export interface Permissions {
  chat?: Record<string, boolean>;
  features?: Record<string, boolean>;
}

/** Answer of sign-in, sign-up and `GET /api/v1/auths/`. */
export interface Session {
  token: string;
  expires_at: number | null;
  id: string;
  email: string;
  name: string;
  role: Role;
  profile_image_url: string;
  permissions?: Permissions;
}

export interface PromptSuggestion {
  title: string[];
  content: string;
}

/** `GET /api/config`: the short public form, or more with the cookie of a signed-in user. */
export interface Config {
  name: string;
  version: string;
  onboarding?: boolean;
  features: Record<string, unknown>;
  oauth?: { providers?: Record<string, string>; auto_redirect?: boolean };
  default_models?: string | null;
  default_prompt_suggestions?: PromptSuggestion[] | null;
  ui?: { pending_user_overlay_title?: string; pending_user_overlay_content?: string };
}

export interface Model {
  id: string;
  name: string;
  owned_by?: string;
  connection_type?: string;
  tags?: { name: string }[];
  info?: { meta?: { description?: string | null; hidden?: boolean } };
}

export interface Grant {
  principal_type: string;
  principal_id: string;
  permission: string;
}

/** What administrators have written down about a model. */
export interface ModelRecord {
  id: string;
  base_model_id: string | null;
  name: string;
  params: Record<string, unknown>;
  meta: Record<string, unknown>;
  access_grants: Grant[];
  is_active: boolean;
}

/** One row of a chat list. */
export interface ChatItem {
  id: string;
  title: string;
  updated_at: number;
  created_at: number;
  last_read_at: number | null;
  /** Where a search found something, if it was in a message. */
  snippet?: string | null;
  active?: boolean;
}

export interface TextPart {
  type: string;
  text?: string;
}

/** One item of a reply, in the form of the Responses API. */
export interface OutputItem {
  type: string;
  id?: string;
  status?: string;
  role?: string;
  content?: TextPart[];
  summary?: TextPart[];
  call_id?: string;
  name?: string;
  arguments?: string;
  output?: string | TextPart[];
  duration?: number;
}

export interface MessageError {
  content?: unknown;
}

export interface Message {
  id: string;
  parentId: string | null;
  childrenIds: string[];
  role: 'user' | 'assistant';
  content: string;
  timestamp: number;
  models?: string[];
  model?: string;
  modelIdx?: number;
  done?: boolean;
  output?: OutputItem[];
  error?: MessageError | string | boolean | null;
  followUps?: string[];
  user?: { id: string; name: string };
  user_id?: string;
  files?: unknown[];
}

export interface History {
  currentId: string | null;
  messages: Record<string, Message>;
}

/** `GET /api/v1/chats/{id}`. */
export interface Chat {
  id: string;
  user_id: string;
  title: string;
  chat: { title?: string; models?: string[]; history?: History; messages?: unknown[] };
  archived: boolean;
  pinned: boolean;
  meta?: { tags?: string[] };
}

export interface Tag {
  id: string;
  name: string;
}

export interface Settings {
  ui?: { system?: string; [key: string]: unknown };
  [key: string]: unknown;
}

export interface User {
  id: string;
  name: string;
  email: string;
  role: Role;
  profile_image_url: string;
  last_active_at: number | null;
  created_at: number;
}

/** State of one provider, for administrators: `GET /api/v1/antiphon/providers`. */
export interface ProviderState {
  name: string;
  url: string;
  ok: boolean;
  state?: 'working' | 'failing' | 'unknown' | 'off';
  /** An older list is offered because the last one failed. */
  stale?: boolean;
  models: number | unknown[] | null;
  error: string | null;
  hint: string | null;
  checked_at: number | null;
}

export interface OpenAiConfig {
  ENABLE_OPENAI_API: boolean;
  OPENAI_API_BASE_URLS: string[];
  OPENAI_API_KEYS: string[];
  OPENAI_API_CONFIGS: Record<string, Record<string, unknown>>;
}

export interface OllamaConfig {
  ENABLE_OLLAMA_API: boolean;
  OLLAMA_BASE_URLS: string[];
  OLLAMA_API_CONFIGS: Record<string, Record<string, unknown>>;
}

/** Upper-case keys, read and written whole; the page changes a few of them. */
export type AdminConfig = Record<string, unknown>;

export interface Version {
  version: string;
  deployment_id: string;
  antiphon?: string;
}
