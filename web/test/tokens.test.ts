import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = new URL('../src/', import.meta.url).pathname;
const tokens = readFileSync(join(root, 'styles/tokens.css'), 'utf8');

/** The colours of one theme: name to red, green, blue. */
function theme(selector: string): Map<string, number[]> {
  const start = tokens.lastIndexOf(selector);
  const block = tokens.slice(start, tokens.indexOf('}', start));
  const colours = [...block.matchAll(/--([\w-]+):\s*#([0-9a-f]{6});/g)];
  return new Map(colours.map(([, name, hex]) => [name ?? '', (hex?.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16))]));
}

function luminance(colour: number[]): number {
  const [red = 0, green = 0, blue = 0] = colour.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(left: number[], right: number[]): number {
  const [dark = 0, light = 0] = [luminance(left), luminance(right)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

const TEXT: [string, string][] = ['paper', 'side-paper', 'tint', 'tint-strong', 'raised'].flatMap((ground) =>
  ['ink', 'muted', 'accent', 'loss'].map((text): [string, string] => [text, ground]),
);
TEXT.push(['on-accent', 'accent'], ['ink', 'loss-tint'], ['loss', 'loss-tint'], ['ink', 'accent-tint'], ['accent', 'accent-tint']);

describe.each([
  ['day', ":root[data-theme='day'] {"],
  ['night', ":root[data-theme='night'] {"],
])('the colours of the %s', (_, selector) => {
  const colours = theme(selector);

  it.each(TEXT)('%s on %s can be read (AA, 4.5)', (text, ground) => {
    expect(contrast(colours.get(text) ?? [], colours.get(ground) ?? [])).toBeGreaterThanOrEqual(4.5);
  });

  it.each(['paper', 'raised'])('the edge of a control stands out from %s (AA, 3)', (ground) => {
    expect(contrast(colours.get('line-strong') ?? [], colours.get(ground) ?? [])).toBeGreaterThanOrEqual(3);
  });
});

describe('the rest of the page', () => {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(svelte|css)$/.test(name));

  it.each(files.filter((name) => !name.endsWith('tokens.css')))('%s names no colour and no size of type', (name) => {
    const text = readFileSync(join(root, name), 'utf8');
    const styles = name.endsWith('.css') ? text : (/<style>([\s\S]*)<\/style>/.exec(text)?.[1] ?? '');
    expect(styles).not.toMatch(/#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(/i);
    for (const [, size] of styles.matchAll(/font-size:\s*([^;]+);/g)) {
      expect(size).toMatch(/^(var\(--text-[a-z]+\)|inherit|0\.92em|max\(16px, var\(--text-ui\)\))$/);
    }
  });

  it.each(files.filter((name) => name.endsWith('.svelte')))('%s keeps to the content security policy', (name) => {
    const markup = readFileSync(join(root, name), 'utf8').replace(/<(script|style)[\s\S]*?<\/\1>/g, '');
    expect(markup).not.toMatch(/\sstyle="|\{@html|\son[a-z]+="/);
  });
});
