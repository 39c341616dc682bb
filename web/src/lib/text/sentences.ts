/** Cuts a growing text into whole sentences, so that a screen reader hears an answer at speaking pace. */

const SENTENCE_END = /[.!?…:。！？]["'’”)\]]*\s|\n/g;

/**
 * The whole sentences of `text` after `from`, and where the rest begins. With `done` the rest counts as whole.
 */
export function takeSentences(text: string, from: number, done: boolean): { said: string; next: number } {
  let next = from;
  if (done) next = text.length;
  else {
    SENTENCE_END.lastIndex = from;
    for (let match = SENTENCE_END.exec(text); match; match = SENTENCE_END.exec(text)) {
      next = match.index + match[0].length;
    }
  }
  return { said: spoken(text.slice(from, next)), next };
}

/** Markdown without its marks. */
export function spoken(text: string): string {
  return text
    .replace(/^```.*$/gm, '')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/^\s{0,3}(#{1,6}|>|[-*+]|\d+[.)])\s+/gm, '')
    .replace(/[*_`~|]+/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}
