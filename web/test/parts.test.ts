import { describe, expect, it } from 'vitest';
import type { Message, OutputItem } from '../src/lib/api/shapes';
import { errorOf, isIncomplete, partsOf, textOf } from '../src/lib/chat/parts';

const answer = (change: Partial<Message>): Message => ({
  id: 'a',
  parentId: 'q',
  childrenIds: [],
  role: 'assistant',
  content: '',
  timestamp: 1,
  done: true,
  ...change,
});

const text = (value: string, status = 'completed'): OutputItem => ({
  type: 'message',
  id: `msg_${value}`,
  status,
  content: [{ type: 'output_text', text: value }],
});

describe('a message', () => {
  it('shows reasoning, tool calls with their results, and text in order', () => {
    const parts = partsOf(
      answer({
        output: [
          { type: 'reasoning', id: 'r', status: 'completed', duration: 3, content: [{ type: 'reasoning_text', text: 'hm' }] },
          { type: 'function_call', id: 'f', call_id: 'c1', name: 'clock', arguments: '{"zone":"UTC"}', status: 'completed' },
          { type: 'function_call_output', call_id: 'c1', output: [{ type: 'input_text', text: 'noon' }] },
          text('It is noon.'),
        ],
      }),
    );
    expect(parts).toEqual([
      { kind: 'reasoning', key: 'r', text: 'hm', done: true, seconds: 3 },
      { kind: 'tool', key: 'f', name: 'clock', input: '{\n  "zone": "UTC"\n}', result: 'noon', done: true },
      { kind: 'text', key: 'msg_It is noon.', text: 'It is noon.' },
    ]);
  });

  it('falls back to its plain content', () => {
    expect(partsOf(answer({ content: 'old' }))).toEqual([{ kind: 'text', key: 'content', text: 'old' }]);
    expect(textOf(answer({ content: 'old', output: [] }))).toBe('old');
    expect(textOf(answer({ content: 'old', output: [text('a'), text('b')] }))).toBe('a\nb');
  });

  it('knows a thought that goes on from one that is over', () => {
    const thought: OutputItem = { type: 'reasoning', id: 'r', status: 'in_progress', content: [{ type: 'reasoning_text', text: 'hm' }] };
    expect(partsOf(answer({ output: [thought] }))).toMatchObject([{ done: false }]);
    expect(partsOf(answer({ output: [thought, text('x')] }))).toMatchObject([{ done: true }, {}]);
  });

  it('finds the cause of a failure wherever it lies', () => {
    expect(errorOf(answer({}))).toBeNull();
    expect(errorOf(answer({ error: { content: 'no key' } }))).toBe('no key');
    expect(errorOf(answer({ error: { content: { error: { message: 'deep' } } } }))).toBe('deep');
    expect(errorOf(answer({ error: 'plain' }))).toBe('plain');
    expect(errorOf(answer({ error: {} }))).toBe('The reply failed and the server gave no cause.');
  });

  it('knows whether it was cut short', () => {
    expect(isIncomplete(answer({ output: [text('half', 'incomplete')] }))).toBe(true);
    expect(isIncomplete(answer({ output: [text('whole')] }))).toBe(false);
  });
});
