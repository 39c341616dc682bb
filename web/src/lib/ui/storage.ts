/** Storage may be forbidden or full; the page works without it. */
export function readLocal(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function writeLocal(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Kept for this visit only.
  }
}

const DRAFT = 'antiphon.draft.';

/** Text that is being written, per chat; it survives a reload of this tab. */
export function readDraft(chat: string): string {
  try {
    return sessionStorage.getItem(DRAFT + chat) ?? '';
  } catch {
    return '';
  }
}

export function writeDraft(chat: string, text: string): void {
  try {
    if (text) sessionStorage.setItem(DRAFT + chat, text);
    else sessionStorage.removeItem(DRAFT + chat);
  } catch {
    // Kept on the page only.
  }
}
