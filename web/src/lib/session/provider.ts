/** Sign-in at a provider: the way there, and what is found after the way back. */

/** Key under which the address is kept to which the reader wanted; it lasts as long as the tab. */
const WANTED_KEY = 'antiphon.wanted';

/** Name of the cookie in which the server hands over a session. */
const TOKEN_COOKIE = 'token';

/** Longest problem that is shown. */
const LONGEST_PROBLEM = 300;

/** Providers as the server lists them: ids with names for people. */
export interface SignInProvider {
  id: string;
  name: string;
  /** Where the sign-in begins. */
  address: string;
}

export function providersOf(listed: Record<string, string> | undefined): SignInProvider[] {
  return Object.entries(listed ?? {}).map(([id, name]) => ({
    id,
    name: name || id,
    address: `/oauth/${encodeURIComponent(id)}/login`,
  }));
}

/** The token in the cookies, while the server lets scripts read it: right after a sign-in at a provider. */
export function handedToken(cookies: string): string | null {
  for (const pair of cookies.split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === TOKEN_COOKIE) return pair.slice(at + 1).trim() || null;
  }
  return null;
}

/** Takes that cookie away, when nothing came of its token. */
export function dropHandedToken(): void {
  document.cookie = `${TOKEN_COOKIE}=; Max-Age=0; Path=/`;
}

/** Why a sign-in at a provider came to nothing, as the address says it. */
export function problemOf(search: string): string {
  const problem = new URLSearchParams(search).get('error')?.trim() ?? '';
  return problem.length > LONGEST_PROBLEM ? `${problem.slice(0, LONGEST_PROBLEM)}…` : problem;
}

/** Keeps in mind where the reader wanted to go, before the page is left for the provider. */
export function rememberWanted(path: string): void {
  try {
    sessionStorage.setItem(WANTED_KEY, path);
  } catch {
    // Without storage the reader ends at the start.
  }
}

/** Where the reader wanted to go, once. */
export function takeWanted(): string | null {
  try {
    const path = sessionStorage.getItem(WANTED_KEY);
    sessionStorage.removeItem(WANTED_KEY);
    return path;
  } catch {
    return null;
  }
}
