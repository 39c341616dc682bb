/** Keys of the whole page: `/` search, `n` new chat, Escape stop. */

export interface KeyActions {
  search: () => void;
  newChat: () => void;
  /** False when there was nothing to stop. */
  stop: () => boolean;
}

const OPEN_LAYER = 'dialog[open], [popover]:popover-open, [data-escape]';

export function pageKey(event: KeyboardEvent, actions: KeyActions): void {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  // What lies over the page takes the key first.
  if (document.querySelector(OPEN_LAYER)) return;
  if (event.key === 'Escape') {
    if (actions.stop()) event.preventDefault();
    return;
  }
  if (isTyping(event.target)) return;
  if (event.key === '/') actions.search();
  else if (event.key === 'n') actions.newChat();
  else return;
  event.preventDefault();
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}
