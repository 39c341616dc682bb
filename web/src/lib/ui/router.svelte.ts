/** Addresses of the page: `/`, `/c/<id>`, `/auth`, `/admin/<part>`; history API, no reloads. */

export type AdminPart = 'users' | 'connections' | 'models' | 'settings';

export type Route =
  | { view: 'new'; temporary: boolean }
  | { view: 'chat'; id: string }
  | { view: 'auth'; redirect: string }
  | { view: 'admin'; part: AdminPart };

const ADMIN_PARTS: readonly AdminPart[] = ['users', 'connections', 'models', 'settings'];

/** The view for an address; unknown ones are the start, as the server answers them with the page. */
export function routeOf(address: URL): Route {
  const [first, second] = address.pathname.split('/').filter(Boolean);
  if (first === 'c' && second) return { view: 'chat', id: decodeURIComponent(second) };
  if (first === 'auth') return { view: 'auth', redirect: ownPath(address.searchParams.get('redirect')) };
  if (first === 'admin') {
    return { view: 'admin', part: ADMIN_PARTS.find((part) => part === second) ?? 'users' };
  }
  return { view: 'new', temporary: address.searchParams.get('temporary-chat') === 'true' };
}

/** A path on this server to return to; anything else is the start. */
export function ownPath(path: string | null): string {
  return path !== null && /^\/(?![/\\])/.test(path) ? path : '/';
}

class Router {
  route = $state.raw<Route>(routeOf(new URL(location.href)));

  constructor() {
    addEventListener('popstate', () => this.#read());
  }

  go(path: string, options: { replace?: boolean } = {}): void {
    if (path !== location.pathname + location.search) {
      if (options.replace) history.replaceState(null, '', path);
      else history.pushState(null, '', path);
    }
    this.#read();
  }

  #read(): void {
    this.route = routeOf(new URL(location.href));
  }
}

export const router = new Router();

/** Follows links of the page without a reload; others and modified clicks are the browser's. */
export function followLink(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element | null)?.closest('a');
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  const path = link.pathname;
  if (path !== '/' && !/^\/(c|auth|admin)(\/|$)/.test(path)) return;
  event.preventDefault();
  router.go(path + link.search);
}
