/**
 * Markdown as a tree of our own, made from marked's tokens.
 *
 * The tree has no place for HTML: tags in an answer become text. Components make elements from it, never markup from
 * strings, so an answer cannot bring scripts, styles, forms or frames. Addresses are checked in `safeLink` and
 * `safeImage`.
 */

import { Lexer, type Token, type Tokens } from 'marked';
import { decodeEntities } from './entities';
import { safeImage, safeLink } from './links';

export type Inline =
  | { type: 'text'; text: string }
  | { type: 'strong' | 'em' | 'del'; children: Inline[] }
  | { type: 'code'; text: string }
  | { type: 'link'; href: string; title: string | null; children: Inline[] }
  | { type: 'image'; src: string; alt: string }
  | { type: 'break' };

export interface ListItem {
  /** Null when the item is no task. */
  checked: boolean | null;
  children: Block[];
}

export interface Cell {
  align: 'left' | 'right' | 'center' | null;
  children: Inline[];
}

export type Block =
  | { type: 'paragraph'; children: Inline[] }
  /** Text of a tight list item: it stands without a paragraph of its own. */
  | { type: 'plain'; children: Inline[] }
  | { type: 'heading'; depth: number; children: Inline[] }
  | { type: 'code'; language: string; text: string }
  | { type: 'quote'; children: Block[] }
  | { type: 'list'; ordered: boolean; start: number; items: ListItem[] }
  | { type: 'table'; head: Cell[]; rows: Cell[][] }
  | { type: 'rule' };

/** How deep quotes and lists may lie in each other; what is deeper is shown as text. */
const MAX_DEPTH = 12;

const OPTIONS = { gfm: true, breaks: true, async: false } as const;

export function tokens(text: string): Token[] {
  return new Lexer(OPTIONS).lex(text);
}

export function parse(text: string): Block[] {
  return tokens(text).flatMap((token) => block(token, 0));
}

export function block(token: Token, depth: number): Block[] {
  if (depth > MAX_DEPTH) return [{ type: 'paragraph', children: [{ type: 'text', text: token.raw }] }];
  switch (token.type) {
    case 'space':
    case 'def':
      return [];
    case 'paragraph':
      return [{ type: 'paragraph', children: inlines(token.tokens ?? [], depth) }];
    case 'heading':
      return [{ type: 'heading', depth: (token as Tokens.Heading).depth, children: inlines(token.tokens ?? [], depth) }];
    case 'code': {
      const code = token as Tokens.Code;
      return [{ type: 'code', language: languageOf(code.lang), text: code.text }];
    }
    case 'blockquote':
      return [{ type: 'quote', children: (token.tokens ?? []).flatMap((inner) => block(inner, depth + 1)) }];
    case 'list':
      return [list(token as Tokens.List, depth)];
    case 'table':
      return [table(token as Tokens.Table, depth)];
    case 'hr':
      return [{ type: 'rule' }];
    case 'text':
      return [{ type: 'plain', children: textInlines(token, depth) }];
    default:
      // HTML, and whatever else marked may learn: its source, as text.
      return token.raw.trim() ? [{ type: 'paragraph', children: [{ type: 'text', text: token.raw.trim() }] }] : [];
  }
}

function list(token: Tokens.List, depth: number): Block {
  const items = token.items.map((item) => ({
    checked: item.task ? item.checked === true : null,
    children: item.tokens.filter((inner) => inner.type !== 'checkbox').flatMap((inner) => block(inner, depth + 1)),
  }));
  return { type: 'list', ordered: token.ordered, start: typeof token.start === 'number' ? token.start : 1, items };
}

function table(token: Tokens.Table, depth: number): Block {
  const cell = (source: Tokens.TableCell): Cell => ({ align: source.align, children: inlines(source.tokens, depth) });
  return { type: 'table', head: token.header.map(cell), rows: token.rows.map((row) => row.map(cell)) };
}

function languageOf(info: string | undefined): string {
  return /^[\w+#.-]{1,32}/.exec(info ?? '')?.[0].toLowerCase() ?? '';
}

function textInlines(token: Token, depth: number): Inline[] {
  const inner = 'tokens' in token ? token.tokens : undefined;
  if (inner && inner.length > 0) return inlines(inner, depth);
  return [{ type: 'text', text: decodeEntities('text' in token ? String(token.text) : token.raw) }];
}

export function inlines(source: Token[], depth: number): Inline[] {
  if (depth > MAX_DEPTH) return source.map((token) => ({ type: 'text', text: token.raw }));
  return source.map((token) => inline(token, depth + 1));
}

function inline(token: Token, depth: number): Inline {
  switch (token.type) {
    case 'strong':
    case 'em':
    case 'del':
      return { type: token.type, children: inlines(token.tokens ?? [], depth) };
    case 'codespan':
      return { type: 'code', text: (token as Tokens.Codespan).text };
    case 'br':
      return { type: 'break' };
    case 'escape':
      return { type: 'text', text: (token as Tokens.Escape).text };
    case 'text':
      return { type: 'text', text: decodeEntities((token as Tokens.Text).text) };
    case 'link':
      return link(token as Tokens.Link, depth);
    case 'image':
      return image(token as Tokens.Image);
    default:
      return { type: 'text', text: token.raw };
  }
}

function link(token: Tokens.Link, depth: number): Inline {
  const href = safeLink(decodeEntities(token.href));
  if (href === null) return { type: 'text', text: token.raw };
  return { type: 'link', href, title: token.title ? decodeEntities(token.title) : null, children: inlines(token.tokens, depth) };
}

/**
 * A picture from elsewhere is shown as a link: loading it would tell a stranger that, when and by whom an answer is
 * read, and a poisoned document can make a model write such an address.
 */
function image(token: Tokens.Image): Inline {
  const source = decodeEntities(token.href);
  const alt = token.text || 'Picture';
  const src = safeImage(source);
  if (src !== null) return { type: 'image', src, alt };
  const href = safeLink(source);
  if (href === null) return { type: 'text', text: token.raw };
  return { type: 'link', href, title: 'A picture on another site', children: [{ type: 'text', text: alt }] };
}
