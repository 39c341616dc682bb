import { describe, expect, it } from 'vitest';
import type { History, Message } from '../src/lib/api/shapes';
import { insert, latestLeaf, neighbour, pathOf, siblingsOf } from '../src/lib/chat/branches';

const message = (id: string, parentId: string | null, childrenIds: string[] = [], timestamp = 1): Message => ({
  id,
  parentId,
  childrenIds,
  role: id.startsWith('q') ? 'user' : 'assistant',
  content: id,
  timestamp,
});

/** Two first questions; the first has two answers, the second of which was asked further. */
const tree = (): History => ({
  currentId: 'a3',
  messages: Object.fromEntries(
    [
      message('q1', null, ['a1', 'a2'], 1),
      message('a1', 'q1'),
      message('a2', 'q1', ['q2']),
      message('q2', 'a2', ['a3']),
      message('a3', 'q2'),
      message('q9', null, ['a9'], 9),
      message('a9', 'q9'),
    ].map((entry) => [entry.id, entry]),
  ),
});

const ids = (messages: Message[]) => messages.map((entry) => entry.id);

describe('branches', () => {
  it('show one path from the first message to the current one', () => {
    expect(ids(pathOf(tree()))).toEqual(['q1', 'a2', 'q2', 'a3']);
    expect(pathOf({ currentId: null, messages: {} })).toEqual([]);
    expect(pathOf({ currentId: 'lost', messages: {} })).toEqual([]);
  });

  it('know the siblings of answers and of first questions', () => {
    const history = tree();
    expect(siblingsOf(history, history.messages['a2'] as Message)).toEqual(['a1', 'a2']);
    expect(siblingsOf(history, history.messages['q9'] as Message)).toEqual(['q1', 'q9']);
    expect(neighbour(history, history.messages['a2'] as Message, -1)).toBe('a1');
    expect(neighbour(history, history.messages['a2'] as Message, 1)).toBeNull();
  });

  it('lead to the newest end below a message', () => {
    const history = tree();
    expect(latestLeaf(history, 'q1')).toBe('a3');
    expect(latestLeaf(history, 'a1')).toBe('a1');
    expect(latestLeaf(history, 'q9')).toBe('a9');
  });

  it('survive children that do not exist and loops', () => {
    const history = tree();
    (history.messages['a3'] as Message).childrenIds = ['gone'];
    expect(latestLeaf(history, 'q1')).toBe('a3');
    (history.messages['q1'] as Message).parentId = 'a3';
    (history.messages['a3'] as Message).childrenIds = ['q1'];
    expect(ids(pathOf(history))).toHaveLength(4);
    expect(latestLeaf(history, 'q1')).toBe('q1');
  });

  it('take in new messages and tie them to their parents once', () => {
    const history = tree();
    const fresh = message('q3', 'a3');
    insert(history, [fresh]);
    insert(history, [fresh]);
    expect(history.messages['a3']?.childrenIds).toEqual(['q3']);
  });
});
