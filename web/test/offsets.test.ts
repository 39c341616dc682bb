import { describe, expect, it } from 'vitest';
import type { OutputItem } from '../src/lib/api/shapes';
import { applyResponseEvent, ByteCounts, growingText, type ResponseEvent } from '../src/lib/chat/assembler';
import { dropBytes, utf8Length } from '../src/lib/text/bytes';

const encoded = (text: string) => new TextEncoder().encode(text).length;

const delta = (text: string, offset?: number, extra: Partial<ResponseEvent> = {}): ResponseEvent => ({
  type: 'response.output_text.delta',
  item_id: 'msg_1',
  output_index: 0,
  content_index: 0,
  delta: text,
  ...(offset === undefined ? {} : { offset }),
  ...extra,
});

function assembler(output: OutputItem[] = []) {
  const counts = new ByteCounts();
  return {
    output,
    apply: (event: ResponseEvent) => applyResponseEvent(output, event, counts),
    text: () => growingText(output.find((item) => item.type === 'message') ?? { type: 'message' }),
  };
}

describe('byte lengths', () => {
  it('agree with the encoder for every kind of character', () => {
    for (const text of ['', 'plain', 'Grüße', '日本語', '🙂 mixed é', '👩‍👩‍👧', 'a\ud800b', '\udc00', 'x\ud83d']) {
      expect(utf8Length(text)).toBe(encoded(text));
    }
  });

  it('drop whole characters and refuse to cut one', () => {
    expect(dropBytes('Grüße', 4)).toBe('ße');
    expect(dropBytes('Grüße', 3)).toBeNull();
    expect(dropBytes('🙂ok', 4)).toBe('ok');
    expect(dropBytes('ok', 2)).toBe('');
    expect(dropBytes('ok', 3)).toBeNull();
  });
});

describe('a stream of deltas', () => {
  it('puts the text together', () => {
    const reply = assembler();
    expect(reply.apply(delta('Grü', 0))).toBe('applied');
    expect(reply.apply(delta('ße 🙂', 4))).toBe('applied');
    expect(reply.apply(delta('!', 4 + encoded('ße 🙂')))).toBe('applied');
    expect(reply.text()).toBe('Grüße 🙂!');
    expect(reply.output[0]).toMatchObject({ type: 'message', id: 'msg_1', role: 'assistant', status: 'in_progress' });
  });

  it('appends when the server does not count', () => {
    const reply = assembler();
    for (const word of ['one ', 'two ', 'three']) expect(reply.apply(delta(word))).toBe('applied');
    expect(reply.text()).toBe('one two three');
  });

  it('goes on from a stored text, whatever arrived before it was read', () => {
    const reply = assembler([
      { type: 'message', id: 'msg_1', status: 'in_progress', role: 'assistant', content: [{ type: 'output_text', text: 'Grüße an' }] },
    ]);
    expect(reply.apply(delta('Grü', 0))).toBe('known');
    expect(reply.apply(delta('ße an', 4))).toBe('known');
    expect(reply.apply(delta('e an alle', 6))).toBe('applied');
    expect(reply.text()).toBe('Grüße an alle');
    expect(reply.apply(delta('.', encoded('Grüße an alle')))).toBe('applied');
    expect(reply.text()).toBe('Grüße an alle.');
  });

  it('sees a gap and leaves the text alone', () => {
    const reply = assembler();
    reply.apply(delta('abc', 0));
    expect(reply.apply(delta('ghi', 6))).toBe('gap');
    expect(reply.text()).toBe('abc');
    expect(reply.apply(delta('def', 3))).toBe('applied');
    expect(reply.apply(delta('ghi', 6))).toBe('applied');
    expect(reply.text()).toBe('abcdefghi');
  });

  it('sees that a whole item was missed', () => {
    const reply = assembler();
    expect(reply.apply(delta('late', 0, { output_index: 2, item_id: 'msg_3' }))).toBe('gap');
    expect(reply.output).toEqual([]);
  });

  it('counts each item for itself', () => {
    const reply = assembler();
    const thought = { type: 'response.reasoning_text.delta', item_id: 'rs_1' };
    expect(reply.apply(delta('Hmm.', 0, thought))).toBe('applied');
    expect(reply.apply(delta('Yes', 0, { output_index: 1 }))).toBe('applied');
    expect(reply.apply(delta('.', 3, { output_index: 1 }))).toBe('applied');
    expect(reply.output.map((item) => item.type)).toEqual(['reasoning', 'message']);
    expect(reply.output.map(growingText)).toEqual(['Hmm.', 'Yes.']);
  });

  it('keeps calls of tools apart and takes no text back from a late start', () => {
    const reply = assembler();
    const item = (id: string, name: string): OutputItem => ({ type: 'function_call', id, name, call_id: `call_${id}`, arguments: '' });
    const args = (id: string, index: number, text: string, offset: number): ResponseEvent => ({
      type: 'response.function_call_arguments.delta',
      item_id: id,
      output_index: index,
      delta: text,
      offset,
    });
    reply.apply({ type: 'response.output_item.added', output_index: 0, item: item('a', 'weather') });
    reply.apply({ type: 'response.output_item.added', output_index: 1, item: item('b', 'clock') });
    reply.apply(args('b', 1, '{"zone"', 0));
    reply.apply(args('a', 0, '{"city":1}', 0));
    reply.apply(args('b', 1, ':2}', 7));
    expect(reply.apply({ type: 'response.output_item.added', output_index: 0, item: item('a', 'weather') })).toBe('known');
    expect(reply.output.map((call) => [call.name, call.arguments])).toEqual([
      ['weather', '{"city":1}'],
      ['clock', '{"zone":2}'],
    ]);
  });

  it('ignores what is no text', () => {
    const reply = assembler();
    expect(reply.apply({ type: 'response.created' })).toBe('ignored');
    expect(reply.apply({})).toBe('ignored');
    expect(reply.apply({ type: 'response.output_text.delta' })).toBe('ignored');
    expect(reply.apply({ type: 'response.output_item.added' })).toBe('ignored');
    expect(reply.output).toEqual([]);
  });

  it('ends with the same text however the stream is cut, repeated and joined in the middle', () => {
    const whole = 'Zwölf Boxkämpfer 🥊 jagen Viktor — quer über den großen Sylter Deich. 東京';
    const letters = [...whole];
    // A small generator with a fixed seed: failures can be repeated.
    let seed = 7;
    const random = (limit: number) => (seed = (seed * 48271) % 2147483647) % limit;
    for (let round = 0; round < 300; round += 1) {
      const events: ResponseEvent[] = [];
      for (let at = 0; at < letters.length; ) {
        const size = 1 + random(6);
        events.push(delta(letters.slice(at, at + size).join(''), encoded(letters.slice(0, at).join(''))));
        at += size;
      }
      const stored = letters.slice(0, random(letters.length)).join('');
      const reply = assembler(
        stored ? [{ type: 'message', id: 'msg_1', status: 'in_progress', content: [{ type: 'output_text', text: stored }] }] : [],
      );
      for (const event of events) {
        expect(reply.apply(event)).not.toBe('gap');
        if (random(4) === 0) expect(reply.apply(event)).toBe('known');
      }
      expect(reply.text()).toBe(whole);
    }
  });
});
