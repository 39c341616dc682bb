import { describe, expect, it } from 'vitest';
import { emptyEntry, ollamaConfig, ollamaEntries, openAiConfig, openAiEntries } from '../src/pages/admin/connections';

describe('connections', () => {
  const config = {
    ENABLE_OPENAI_API: true,
    OPENAI_API_BASE_URLS: ['http://a.example/v1', 'http://b.example/v1'],
    OPENAI_API_KEYS: ['ka', 'kb'],
    OPENAI_API_CONFIGS: { '0': { enable: false, prefix_id: 'one' }, '1': { enable: true, model_ids: ['m'] } },
  };

  it('come back as they were when nothing changed', () => {
    expect(openAiConfig(true, openAiEntries(config))).toEqual(config);
  });

  it('keep key and settings with their address when another is removed', () => {
    const entries = openAiEntries(config).slice(1);
    expect(openAiConfig(true, entries)).toEqual({
      ENABLE_OPENAI_API: true,
      OPENAI_API_BASE_URLS: ['http://b.example/v1'],
      OPENAI_API_KEYS: ['kb'],
      OPENAI_API_CONFIGS: { '0': { enable: true, model_ids: ['m'] } },
    });
  });

  it('lose empty addresses, blanks and slashes at the end', () => {
    const entries = [{ ...emptyEntry(), url: ' http://c.example/v1/ ', secret: ' k ' }, emptyEntry()];
    expect(openAiConfig(false, entries)).toMatchObject({ OPENAI_API_BASE_URLS: ['http://c.example/v1'], OPENAI_API_KEYS: ['k'] });
  });

  it('to Ollama carry their key among the settings, by place or by address', () => {
    const old = { ENABLE_OLLAMA_API: true, OLLAMA_BASE_URLS: ['http://o.example'], OLLAMA_API_CONFIGS: { 'http://o.example': { key: 'k' } } };
    const entries = ollamaEntries(old);
    expect(entries).toMatchObject([{ url: 'http://o.example', secret: 'k', enabled: true }]);
    expect(ollamaConfig(true, entries).OLLAMA_API_CONFIGS).toEqual({ '0': { enable: true, key: 'k' } });
  });
});
