/** Times as people say them, and days as a list is grouped. All times are in seconds. */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** "now", "5 min ago", "3 h ago", "yesterday", "12 Nov", "12 Nov 2024". */
export function relativeTime(seconds: number, nowMs: number, locale?: string): string {
  const now = nowMs / 1000;
  const age = now - seconds;
  if (age < 45) return 'now';
  if (age < HOUR) return `${Math.max(1, Math.round(age / MINUTE))} min ago`;
  const days = dayDistance(seconds, nowMs);
  if (days === 0) return `${Math.round(age / HOUR)} h ago`;
  if (days === 1) return 'yesterday';
  if (days < 7) return `${days} days ago`;
  return shortDate(seconds, nowMs, locale);
}

/** The full date and time, shown on hover. */
export function exactTime(seconds: number, locale?: string): string {
  return new Date(seconds * 1000).toLocaleString(locale, { dateStyle: 'full', timeStyle: 'short' });
}

/** Hour and minute. */
export function clock(ms: number, locale?: string): string {
  return new Date(ms).toLocaleTimeString(locale, { hour: 'numeric', minute: '2-digit' });
}

function shortDate(seconds: number, nowMs: number, locale?: string): string {
  const date = new Date(seconds * 1000);
  const sameYear = date.getFullYear() === new Date(nowMs).getFullYear();
  return date.toLocaleDateString(
    locale,
    sameYear ? { day: 'numeric', month: 'short' } : { day: 'numeric', month: 'short', year: 'numeric' },
  );
}

/** Calendar days between two moments in local time, whatever the clocks were turned by in between. */
function dayDistance(seconds: number, nowMs: number): number {
  const day = (ms: number) => {
    const date = new Date(ms);
    return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / (DAY * 1000);
  };
  return day(nowMs) - day(seconds * 1000);
}

/** Heading of the day on which something happened: Today, Yesterday, Monday, 12 November, October 2024. */
export function dayLabel(seconds: number, nowMs: number, locale?: string): string {
  const days = dayDistance(seconds, nowMs);
  const date = new Date(seconds * 1000);
  if (days <= 0) return 'Today';
  if (days === 1) return 'Yesterday';
  if (days < 7) return date.toLocaleDateString(locale, { weekday: 'long' });
  if (days < 31) return date.toLocaleDateString(locale, { day: 'numeric', month: 'long' });
  return date.toLocaleDateString(locale, { month: 'long', year: 'numeric' });
}

export interface DayGroup<T> {
  label: string;
  rows: T[];
}

/** Groups rows, newest first, under the headings of their days. */
export function groupByDay<T extends { updated_at: number }>(rows: T[], nowMs: number, locale?: string): DayGroup<T>[] {
  const groups: DayGroup<T>[] = [];
  for (const row of rows) {
    const label = dayLabel(row.updated_at, nowMs, locale);
    const last = groups.at(-1);
    if (last?.label === label) last.rows.push(row);
    else groups.push({ label, rows: [row] });
  }
  return groups;
}

/** Part of the day, for a greeting. */
export function partOfDay(date: Date): 'morning' | 'afternoon' | 'evening' {
  const hour = date.getHours();
  if (hour >= 5 && hour < 12) return 'morning';
  return hour >= 12 && hour < 18 ? 'afternoon' : 'evening';
}
