import { parseFragment, type DefaultTreeAdapterTypes } from 'parse5';
import { render } from 'svelte/server';
import { describe, expect, it } from 'vitest';
import { decodeEntities } from '../src/lib/markdown/entities';
import { GrowingMarkdown } from '../src/lib/markdown/growing';
import { safeImage, safeLink } from '../src/lib/markdown/links';
import Markdown from '../src/lib/markdown/Markdown.svelte';
import { parse } from '../src/lib/markdown/tree';
import { ATTACKS } from './corpus';

type Node = DefaultTreeAdapterTypes.Node;
type Element = DefaultTreeAdapterTypes.Element;

/** Every element that an answer may become, with every attribute that it may have. */
const ALLOWED: Record<string, string[]> = {
  a: ['href', 'title', 'target', 'rel'],
  blockquote: [],
  br: [],
  button: ['class', 'type', 'aria-label', 'title', 'data-testid'],
  code: ['class'],
  del: [],
  div: ['class', 'data-testid', 'tabindex', 'role', 'aria-label'],
  em: [],
  h1: [],
  h2: [],
  h3: [],
  h4: [],
  h5: [],
  h6: [],
  hr: [],
  img: ['src', 'alt', 'loading'],
  input: ['type', 'checked', 'disabled', 'aria-label'],
  li: ['class'],
  ol: ['start'],
  p: [],
  path: ['d'],
  pre: ['class', 'tabindex', 'role', 'aria-label'],
  span: ['class'],
  strong: [],
  svg: ['class', 'viewBox', 'width', 'height', 'fill', 'stroke', 'stroke-width', 'stroke-linecap', 'stroke-linejoin', 'aria-hidden'],
  table: [],
  tbody: [],
  td: ['class'],
  th: ['scope', 'class'],
  thead: [],
  tr: [],
  ul: [],
};

function html(text: string): string {
  return render(Markdown, { props: { text } }).body;
}

function elements(markup: string): Element[] {
  const found: Element[] = [];
  const visit = (node: Node) => {
    if ('tagName' in node) found.push(node);
    if ('childNodes' in node) node.childNodes.forEach(visit);
    if ('content' in node) visit(node.content);
  };
  visit(parseFragment(markup));
  return found;
}

const attribute = (element: Element, name: string) => element.attrs.find((entry) => entry.name === name)?.value;

describe('an answer cannot bring code into the page', () => {
  it.each(ATTACKS.map((attack) => [attack.slice(0, 60), attack]))('%s', (_, attack) => {
    for (const element of elements(html(attack))) {
      const allowed = ALLOWED[element.tagName];
      expect(allowed, `<${element.tagName}>`).toBeDefined();
      for (const { name } of element.attrs) expect(allowed, `${element.tagName} ${name}`).toContain(name);
      const href = attribute(element, 'href');
      if (href !== undefined) expect(href).toMatch(/^(https?:|mailto:|tel:|#|\/(?!\/)|[\w.?])/);
      if (href !== undefined) expect(href).not.toMatch(/script:|^data:|^file:|^blob:|^view-source:/i);
      if (element.tagName === 'a') expect(attribute(element, 'rel')).toContain('noopener');
      const src = attribute(element, 'src');
      if (src !== undefined) expect(src).toMatch(/^(data:image\/(png|jpe?g|gif|webp|avif);base64,|\/(static|cache|api\/v1\/files)\/)/);
      if (element.tagName === 'input') expect(attribute(element, 'type')).toBe('checkbox');
    }
  });

  it('shows the attack as text', () => {
    expect(html('<script>alert(1)</script>')).toContain('&lt;script>alert(1)&lt;/script>');
  });
});

describe('markdown', () => {
  const plain = (text: string) => html(text).replace(/<!--.*?-->/g, '');

  it('becomes the elements of a page', () => {
    const page = plain('# Title\n\nOne **two** *three* ~~four~~ `five`\n\n- a\n- b\n\n1. c\n\n> d\n\n---');
    for (const piece of ['<h1>Title</h1>', '<strong>two</strong>', '<em>three</em>', '<del>four</del>', '<code>five</code>', '<ol start="1"']) {
      expect(page).toContain(piece);
    }
    expect(page).toMatch(/<ul><li>a<\/li><li>b<\/li><\/ul>/);
    expect(page).toMatch(/<blockquote><p>d<\/p><\/blockquote>/);
    expect(page).toContain('<hr');
  });

  it('keeps code as it was written', () => {
    const blocks = parse('```rust\nlet a = "<b>&amp;</b>";\n```');
    expect(blocks).toEqual([{ type: 'code', language: 'rust', text: 'let a = "<b>&amp;</b>";' }]);
    expect(plain('`a &amp; b`')).toContain('<code>a &amp;amp; b</code>');
  });

  it('reads tables with their alignment and tasks with their state', () => {
    expect(parse('| a | b |\n|:-:|--:|\n| 1 | 2 |')).toMatchObject([
      { type: 'table', head: [{ align: 'center' }, { align: 'right' }], rows: [[{ align: 'center' }, { align: 'right' }]] },
    ]);
    expect(parse('- [x] done\n- [ ] open\n- plain')).toMatchObject([
      { items: [{ checked: true }, { checked: false }, { checked: null }] },
    ]);
    expect(plain('- [x] done')).toContain('done');
  });

  it('breaks lines where the model did', () => {
    expect(plain('one\ntwo')).toMatch(/one<br\/?>two/);
  });

  it('links pictures on other sites instead of loading them', () => {
    expect(parse('![chart](https://other.example/c.png)')).toMatchObject([
      { children: [{ type: 'link', href: 'https://other.example/c.png', children: [{ text: 'chart' }] }] },
    ]);
    expect(parse('![own](/api/v1/files/1/content)')).toMatchObject([{ children: [{ type: 'image' }] }]);
  });

  it('decodes references once', () => {
    expect(decodeEntities('&lt;b&gt; &amp;lt; &#8364; &#x1F642; &nosuch; &#0;')).toBe('<b> &lt; € 🙂 &nosuch; \ufffd');
  });
});

describe('addresses', () => {
  it('that may be followed', () => {
    for (const link of ['https://a.example/b?c=d#e', 'http://a.example', 'mailto:a@b.example', 'tel:+1', '#part', '/c/1', 'page']) {
      expect(safeLink(link)).toBe(link);
    }
    expect(safeLink('//a.example')).toBe('https://a.example');
  });

  it('that may not', () => {
    for (const link of ['', ' ', 'javascript:1', 'JAVASCRIPT:1', 'java\nscript:1', 'data:text/html,x', 'x\\y:z']) {
      expect(safeLink(link)).toBeNull();
    }
    for (const image of ['https://a.example/x.png', '/api/v1/auths/', '/static/../x', 'data:image/svg+xml;base64,AA']) {
      expect(safeImage(image)).toBeNull();
    }
  });
});

describe('a growing text', () => {
  const sample = [
    '# Heading',
    '',
    'A paragraph with **bold',
    'words** and a [link](https://example.com).',
    '',
    '1. one',
    '   - nested',
    '',
    '2. two',
    '',
    '```js',
    'const a = 1;',
    '',
    '# no heading',
    '```',
    '',
    '> quote',
    'lazy line',
    '',
    '| a | b |',
    '|---|---|',
    '| 1 | 2 |',
    '',
    '***',
    '',
    'Last *words*.',
  ].join('\n');

  it('ends as the whole text would', () => {
    for (const step of [1, 3, 7, 50]) {
      const growing = new GrowingMarkdown();
      for (let end = step; end < sample.length; end += step) growing.update(sample.slice(0, end), false);
      expect(growing.update(sample, false)).toEqual(parse(sample));
      expect(growing.update(sample, true)).toEqual(parse(sample));
    }
  });

  it('keeps finished blocks as the same objects', () => {
    const growing = new GrowingMarkdown();
    const before = growing.update(`one\n\ntwo\n\nthree\n\nfour`, false);
    const after = growing.update(`one\n\ntwo\n\nthree\n\nfour and more`, false);
    expect(after[0]).toBe(before[0]);
    expect(after.at(-1)).toMatchObject({ children: [{ text: 'four and more' }] });
  });

  it('starts again when the text was replaced', () => {
    const growing = new GrowingMarkdown();
    growing.update('one\n\ntwo\n\nthree\n\nfour', false);
    expect(growing.update('other\r\n\r\ntext', false)).toEqual(parse('other\n\ntext'));
  });
});
