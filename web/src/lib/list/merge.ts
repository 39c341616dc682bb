/** A list that is loaded page by page, and whose first page is read again whenever something changed. */

import type { ChatItem } from '../api/shapes';

/**
 * The rows after the first page was read again.
 *
 * Rows of later pages stay. A row as new as those of the page that is not on it any more is gone.
 */
export function mergeFirstPage(rows: ChatItem[], page: ChatItem[]): ChatItem[] {
  const oldest = page.at(-1)?.updated_at;
  if (oldest === undefined) return [];
  const onPage = new Set(page.map((row) => row.id));
  return [...page, ...rows.filter((row) => !onPage.has(row.id) && row.updated_at < oldest)];
}

/** The rows with a further page behind them, without doubles. */
export function appendPage(rows: ChatItem[], page: ChatItem[]): ChatItem[] {
  const known = new Set(rows.map((row) => row.id));
  return [...rows, ...page.filter((row) => !known.has(row.id))];
}

/** Whether something was written since the chat was last open. */
export function isUnread(row: ChatItem): boolean {
  return row.updated_at > (row.last_read_at ?? 0);
}
