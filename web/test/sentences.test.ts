import { describe, expect, it } from 'vitest';
import { spoken, takeSentences } from '../src/lib/text/sentences';

describe('sentences', () => {
  it('are taken when they are whole', () => {
    const text = 'First one. Second is not';
    const first = takeSentences(text, 0, false);
    expect(first).toEqual({ said: 'First one.', next: 11 });
    expect(takeSentences(text, first.next, false)).toEqual({ said: '', next: 11 });
    expect(takeSentences(text, first.next, true)).toEqual({ said: 'Second is not', next: text.length });
  });

  it('do not end inside a number or an abbreviation without a blank', () => {
    expect(takeSentences('Pi is 3.14 and', 0, false).said).toBe('');
  });

  it('are spoken without the marks of markdown', () => {
    expect(spoken('## Title\n\n- **one** `two`\n1. [three](https://x.example)\n```js\ncode\n```')).toBe('Title one two three code');
  });
});
