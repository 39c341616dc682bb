/** Connections as the forms edit them, and as the server takes them: parallel lists with settings by place. */

import type { OllamaConfig, OpenAiConfig } from '$lib/api/shapes';

export interface Entry {
  /** Stable while the form is open; places change as entries are removed. */
  key: number;
  url: string;
  secret: string;
  enabled: boolean;
  /** Settings that this page does not show; they are kept as they are. */
  rest: Record<string, unknown>;
}

type Configs = Record<string, Record<string, unknown>>;

let nextKey = 0;

export const emptyEntry = (): Entry => ({ key: (nextKey += 1), url: '', secret: '', enabled: true, rest: {} });

export function openAiEntries(config: OpenAiConfig): Entry[] {
  return config.OPENAI_API_BASE_URLS.map((url, place) => {
    const { enable, ...rest } = settingsAt(config.OPENAI_API_CONFIGS, place, url);
    return { ...emptyEntry(), url, secret: config.OPENAI_API_KEYS[place] ?? '', enabled: enable !== false, rest };
  });
}

export function openAiConfig(enabled: boolean, entries: Entry[]): OpenAiConfig {
  const kept = withAddress(entries);
  return {
    ENABLE_OPENAI_API: enabled,
    OPENAI_API_BASE_URLS: kept.map((entry) => entry.url),
    OPENAI_API_KEYS: kept.map((entry) => entry.secret.trim()),
    OPENAI_API_CONFIGS: byPlace(kept, (entry) => ({ ...entry.rest, enable: entry.enabled })),
  };
}

export function ollamaEntries(config: OllamaConfig): Entry[] {
  return config.OLLAMA_BASE_URLS.map((url, place) => {
    const { enable, key, ...rest } = settingsAt(config.OLLAMA_API_CONFIGS, place, url);
    return { ...emptyEntry(), url, secret: typeof key === 'string' ? key : '', enabled: enable !== false, rest };
  });
}

export function ollamaConfig(enabled: boolean, entries: Entry[]): OllamaConfig {
  const kept = withAddress(entries);
  return {
    ENABLE_OLLAMA_API: enabled,
    OLLAMA_BASE_URLS: kept.map((entry) => entry.url),
    OLLAMA_API_CONFIGS: byPlace(kept, (entry) => ({
      ...entry.rest,
      enable: entry.enabled,
      ...(entry.secret.trim() ? { key: entry.secret.trim() } : {}),
    })),
  };
}

/** Older configurations name the settings by address instead of place. */
function settingsAt(configs: Configs | undefined, place: number, url: string): Record<string, unknown> {
  return configs?.[String(place)] ?? configs?.[url] ?? {};
}

function withAddress(entries: Entry[]): Entry[] {
  return entries.map((entry) => ({ ...entry, url: entry.url.trim().replace(/\/+$/, '') })).filter((entry) => entry.url !== '');
}

function byPlace(entries: Entry[], settings: (entry: Entry) => Record<string, unknown>): Configs {
  return Object.fromEntries(entries.map((entry, place) => [String(place), settings(entry)]));
}
