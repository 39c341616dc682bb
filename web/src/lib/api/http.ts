/**
 * Calls to the server: bearer token, JSON, one error type, a bound on every wait.
 */

/** Longest wait for an answer to an ordinary call. */
const CALL_TIMEOUT_MS = 20_000;

/** Status 0 means that no answer came: no network, or the wait reached its bound. */
export class CallError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'CallError';
    this.status = status;
  }

  /** Whether the server could not be reached at all. */
  get unreachable(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

export interface CallOptions {
  method?: 'GET' | 'POST' | 'DELETE';
  body?: unknown;
  query?: Record<string, string | number | boolean | undefined>;
  /** Without the bearer token: `/api/config` knows the user by the cookie alone. */
  anonymous?: boolean;
  timeoutMs?: number;
  /** The one call that is still made after `endCalls`. */
  last?: boolean;
  /** Goes on when the page is left meanwhile; browsers allow that for small bodies alone. */
  outlivesPage?: boolean;
}

let token: string | null = null;
let onUnauthorised: (() => void) | null = null;
/** Ends the calls of this session. */
let calls = new AbortController();

export function setToken(value: string | null): void {
  token = value;
  if (calls.signal.aborted) calls = new AbortController();
}

/** Gives up all calls of this session, and makes no more until the next `setToken`: nobody is there who wants the answers. */
export function endCalls(): void {
  calls.abort();
}

export function currentToken(): string | null {
  return token;
}

/** Called after any 401, so that the session can find out whether it still stands. */
export function whenUnauthorised(callback: () => void): void {
  onUnauthorised = callback;
}

function address(path: string, query: CallOptions['query']): string {
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
  if (pairs.length === 0) return path;
  return `${path}?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)]))}`;
}

/** The text of `{"detail": …}` in its two forms: a sentence, or a list of validation findings. */
export function detailOf(body: unknown, status: number): string {
  if (body && typeof body === 'object') {
    const detail = (body as { detail?: unknown }).detail ?? (body as { error?: unknown }).error;
    if (typeof detail === 'string' && detail) return detail;
    if (Array.isArray(detail)) {
      const texts = detail.map((finding: { loc?: unknown[]; msg?: string }) => {
        const place = finding.loc?.filter((part) => part !== 'body').join('.');
        return place ? `${place}: ${finding.msg ?? ''}` : (finding.msg ?? '');
      });
      if (texts.length > 0) return texts.join('. ');
    }
    if (detail && typeof detail === 'object') {
      const message = (detail as { message?: unknown }).message;
      if (typeof message === 'string' && message) return message;
    }
  }
  return `The server answered with status ${status}.`;
}

export async function call<T>(path: string, options: CallOptions = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (!options.anonymous && token) headers['Authorization'] = `Bearer ${token}`;
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  const bound = AbortSignal.timeout(options.timeoutMs ?? CALL_TIMEOUT_MS);
  const lasts = options.anonymous || options.last;
  let response: Response;
  try {
    response = await fetch(address(path, options.query), {
      method: options.method ?? 'GET',
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      credentials: 'same-origin',
      keepalive: options.outlivesPage ?? false,
      signal: lasts ? bound : AbortSignal.any([bound, calls.signal]),
    });
  } catch (error) {
    const slow = error instanceof DOMException && error.name === 'TimeoutError';
    throw new CallError(0, slow ? 'The server did not answer in time.' : 'The server cannot be reached.');
  }
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  const body: unknown = isJson ? await response.json().catch(() => null) : null;
  if (!response.ok) {
    if (response.status === 401 && !options.anonymous) onUnauthorised?.();
    throw new CallError(response.status, detailOf(body, response.status));
  }
  return body as T;
}

export const get = <T>(path: string, query?: CallOptions['query']): Promise<T> => call<T>(path, query ? { query } : {});

export const post = <T>(path: string, body?: unknown): Promise<T> => call<T>(path, { method: 'POST', body });

export const remove = <T>(path: string): Promise<T> => call<T>(path, { method: 'DELETE' });

/** What to show for a failure of any kind. */
export function causeOf(error: unknown): string {
  return error instanceof Error && error.message ? error.message : 'Something went wrong that has no name.';
}
