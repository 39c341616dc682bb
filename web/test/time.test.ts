import { describe, expect, it } from 'vitest';
import { dayLabel, groupByDay, partOfDay, relativeTime } from '../src/lib/text/time';

const at = (text: string) => new Date(text).getTime();
const seconds = (text: string) => at(text) / 1000;
const now = at('2026-11-24T15:00:00');

describe('times', () => {
  it('are said as people say them', () => {
    const said = (text: string) => relativeTime(seconds(text), now, 'en-GB');
    expect(said('2026-11-24T14:59:40')).toBe('now');
    expect(said('2026-11-24T14:55:00')).toBe('5 min ago');
    expect(said('2026-11-24T09:00:00')).toBe('6 h ago');
    expect(said('2026-11-23T23:59:00')).toBe('yesterday');
    expect(said('2026-11-20T12:00:00')).toBe('4 days ago');
    expect(said('2026-03-01T12:00:00')).toBe('1 Mar');
    expect(said('2024-03-01T12:00:00')).toBe('1 Mar 2024');
  });

  it('of a clock that runs ahead are now', () => {
    expect(relativeTime(now / 1000 + 90, now)).toBe('now');
  });

  it('a few minutes before midnight count as yesterday only after an hour', () => {
    expect(relativeTime(seconds('2026-11-23T23:50:00'), at('2026-11-24T00:10:00'))).toBe('20 min ago');
  });
});

describe('days', () => {
  it('have the names a list is read by', () => {
    const label = (text: string) => dayLabel(seconds(text), now, 'en-GB');
    expect(label('2026-11-24T00:00:00')).toBe('Today');
    expect(label('2026-11-23T00:00:00')).toBe('Yesterday');
    expect(label('2026-11-19T12:00:00')).toBe('Thursday');
    expect(label('2026-11-12T12:00:00')).toBe('12 November');
    expect(label('2026-09-12T12:00:00')).toBe('September 2026');
  });

  it('group the rows in the order they come', () => {
    const rows = ['2026-11-24T14:00:00', '2026-11-24T01:00:00', '2026-11-23T10:00:00'].map((text) => ({ updated_at: seconds(text) }));
    expect(groupByDay(rows, now).map((group) => [group.label, group.rows.length])).toEqual([
      ['Today', 2],
      ['Yesterday', 1],
    ]);
  });

  it('have a morning, an afternoon and an evening', () => {
    expect(partOfDay(new Date('2026-11-24T08:00:00'))).toBe('morning');
    expect(partOfDay(new Date('2026-11-24T12:00:00'))).toBe('afternoon');
    expect(partOfDay(new Date('2026-11-24T23:00:00'))).toBe('evening');
    expect(partOfDay(new Date('2026-11-24T03:00:00'))).toBe('evening');
  });
});
