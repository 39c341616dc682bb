/** A chat is a tree: questions and answers may have siblings, and one path through it is shown. */

import type { History, Message } from '../api/shapes';

/** Longest path that is followed; a chat with a loop in it must not hang the page. */
const MAX_DEPTH = 10_000;

/** The messages from the first to `currentId`. */
export function pathOf(history: History): Message[] {
  const path: Message[] = [];
  const seen = new Set<string>();
  let id = history.currentId;
  while (id !== null && path.length < MAX_DEPTH && !seen.has(id)) {
    const message: Message | undefined = history.messages[id];
    if (!message) break;
    seen.add(id);
    path.push(message);
    id = message.parentId;
  }
  return path.reverse();
}

/** The messages that stand at the same place as `message`, itself included, oldest first. */
export function siblingsOf(history: History, message: Message): string[] {
  const parent = message.parentId === null ? undefined : history.messages[message.parentId];
  if (parent) {
    const known = parent.childrenIds.filter((id) => history.messages[id]);
    return known.includes(message.id) ? known : [...known, message.id];
  }
  return Object.values(history.messages)
    .filter((other) => other.parentId === null || !history.messages[other.parentId])
    .sort((left, right) => left.timestamp - right.timestamp)
    .map((other) => other.id);
}

/** The end of the branch below `id`, always taking the newest child. */
export function latestLeaf(history: History, id: string): string {
  const seen = new Set<string>();
  let current = id;
  while (!seen.has(current) && seen.size < MAX_DEPTH) {
    seen.add(current);
    const children = history.messages[current]?.childrenIds.filter((child) => history.messages[child]) ?? [];
    const next = children.at(-1);
    if (next === undefined) break;
    current = next;
  }
  return current;
}

/** The sibling `step` places away, or null at either end. */
export function neighbour(history: History, message: Message, step: -1 | 1): string | null {
  const siblings = siblingsOf(history, message);
  return siblings[siblings.indexOf(message.id) + step] ?? null;
}

/** Adds messages and ties them to their parents. */
export function insert(history: History, messages: Message[]): void {
  for (const message of messages) {
    history.messages[message.id] = message;
    const parent = message.parentId === null ? undefined : history.messages[message.parentId];
    if (parent && !parent.childrenIds.includes(message.id)) parent.childrenIds = [...parent.childrenIds, message.id];
  }
}
