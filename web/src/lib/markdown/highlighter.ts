/** The part of highlighting that is loaded on first use. */

import type { LanguageFn } from 'highlight.js';
import { createLowlight } from 'lowlight';
import type { Segment } from './highlight';

const lowlight = createLowlight();

/** The classes of the highlighter that have a style here; the first that fits wins. */
const STYLES: [RegExp, string][] = [
  [/^hljs-(comment|quote)$/, 'tok-comment'],
  [/^hljs-(keyword|operator)$/, 'tok-keyword'],
  [/^hljs-(string|char|regexp|template-variable|symbol|link)/, 'tok-string'],
  [/^hljs-(number|literal)$/, 'tok-number'],
  [/^hljs-meta/, 'tok-meta'],
  [/^hljs-(title|section|function)/, 'tok-title'],
  [/^hljs-(name|selector)/, 'tok-tag'],
  [/^hljs-(built_in|type|class)$/, 'tok-built'],
  [/^hljs-deletion$/, 'tok-deletion'],
  [/^hljs-addition$/, 'tok-addition'],
];

interface Node {
  type: string;
  value?: string;
  properties?: { className?: unknown };
  children?: Node[];
}

export function colour(code: string, language: string, grammar: LanguageFn): Segment[] {
  if (!lowlight.registered(language)) lowlight.register(language, grammar);
  const segments: Segment[] = [];
  flatten(lowlight.highlight(language, code) as unknown as Node, null, segments);
  return segments;
}

function flatten(node: Node, style: string | null, segments: Segment[]): void {
  if (node.type === 'text') {
    const last = segments.at(-1);
    if (last && last.style === style) last.text += node.value ?? '';
    else segments.push({ text: node.value ?? '', style });
    return;
  }
  const own = styleOf(node.properties?.className) ?? style;
  for (const child of node.children ?? []) flatten(child, own, segments);
}

function styleOf(classes: unknown): string | null {
  for (const name of Array.isArray(classes) ? classes : []) {
    for (const [pattern, style] of STYLES) if (pattern.test(String(name))) return style;
  }
  return null;
}
