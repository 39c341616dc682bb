/** Parses a text that grows at its end without reading the finished part again. */

import { block, parse, tokens, type Block } from './tree';

/** Blocks at the end that later text may still change. A list or a quote can swallow what follows it. */
const OPEN_BLOCKS = 2;

type Tokens = ReturnType<typeof tokens>;

export class GrowingMarkdown {
  #settled: Block[] = [];
  #settledText = '';

  /**
   * The blocks of `text`. Cheap when `text` continues the text of the last call; blocks that did not change are the
   * same objects as before. With `done` the text is read in one piece, so that references find their definitions.
   */
  update(source: string, done: boolean): Block[] {
    const text = source.includes('\r') ? source.replace(/\r\n?/g, '\n') : source;
    if (done) {
      this.#forget();
      return parse(text);
    }
    if (!text.startsWith(this.#settledText)) this.#forget();
    const rest = text.slice(this.#settledText.length);
    const found = tokens(rest);
    const closed = this.#settle(rest, found.slice(0, closedCount(found)));
    return [...this.#settled, ...found.slice(closed).flatMap((token) => block(token, 0))];
  }

  /** Moves finished tokens to the settled part; answers how many were moved. */
  #settle(rest: string, finished: Tokens): number {
    const raw = finished.map((token) => token.raw).join('');
    if (!rest.startsWith(raw)) return 0;
    this.#settledText += raw;
    for (const token of finished) this.#settled.push(...block(token, 0));
    return finished.length;
  }

  #forget(): void {
    this.#settled = [];
    this.#settledText = '';
  }
}

/** How many tokens at the beginning no later text can change. */
function closedCount(found: Tokens): number {
  let open = 0;
  for (let index = found.length - 1; index >= 0; index -= 1) {
    if (found[index]?.type !== 'space') open += 1;
    if (open > OPEN_BLOCKS) return index + 1;
  }
  return 0;
}
