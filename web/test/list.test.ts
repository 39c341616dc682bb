import { describe, expect, it } from 'vitest';
import type { ChatItem } from '../src/lib/api/shapes';
import { appendPage, isUnread, mergeFirstPage } from '../src/lib/list/merge';

const row = (id: string, updated_at: number, last_read_at: number | null = updated_at): ChatItem => ({
  id,
  title: id,
  updated_at,
  created_at: 0,
  last_read_at,
});

const ids = (rows: ChatItem[]) => rows.map((entry) => entry.id);

describe('the list', () => {
  it('takes a new first page and keeps the later ones', () => {
    const rows = [row('c', 30), row('b', 20), row('a', 10)];
    expect(ids(mergeFirstPage(rows, [row('d', 40), row('c', 30)]))).toEqual(['d', 'c', 'b', 'a']);
  });

  it('forgets what has left the first page', () => {
    const rows = [row('c', 30), row('b', 20), row('a', 10)];
    expect(ids(mergeFirstPage(rows, [row('c', 30), row('a', 10)]))).toEqual(['c', 'a']);
    expect(mergeFirstPage(rows, [])).toEqual([]);
  });

  it('moves a chat up that was written to', () => {
    const rows = [row('c', 30), row('b', 20), row('a', 10)];
    expect(ids(mergeFirstPage(rows, [row('a', 50), row('c', 30)]))).toEqual(['a', 'c', 'b']);
  });

  it('appends a page without doubles', () => {
    expect(ids(appendPage([row('b', 20), row('a', 10)], [row('a', 10), row('z', 1)]))).toEqual(['b', 'a', 'z']);
  });

  it('marks what was written after it was last read', () => {
    expect(isUnread(row('a', 10, 9))).toBe(true);
    expect(isUnread(row('a', 10, 10))).toBe(false);
    expect(isUnread(row('a', 10, null))).toBe(true);
  });
});
