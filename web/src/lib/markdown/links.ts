/** Which addresses an answer may point to. */

const LINK_SCHEMES = new Set(['http:', 'https:', 'mailto:', 'tel:']);

/** Raster pictures only: an SVG can carry scripts when it is opened on its own. */
const DATA_IMAGE = /^data:image\/(?:png|jpe?g|gif|webp|avif);base64,[A-Za-z0-9+/=\s]+$/;

/** Files of our own server, the only pictures that are loaded without asking. */
const OWN_IMAGE = /^\/(?:api\/v1\/files\/|cache\/|static\/)[^\\]*$/;

/** Control characters and blanks, which browsers drop from addresses before they read the scheme. */
// eslint-disable-next-line no-control-regex
const INVISIBLE = /[\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff]/g;

/** The address if it may be followed, else null. Relative addresses lead into the page itself. */
export function safeLink(address: string): string | null {
  const compact = address.replace(INVISIBLE, '');
  if (compact === '') return null;
  if (compact.startsWith('#')) return compact;
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(compact)?.[1];
  if (scheme === undefined) {
    // Two slashes or backslashes lead to another host under whatever scheme this page has.
    if (/^[/\\]{2}/.test(compact)) return safeLink(`https:${compact.replaceAll('\\', '/')}`);
    return /[:\\]/.test(compact.split(/[/?#]/)[0] ?? '') ? null : compact;
  }
  return LINK_SCHEMES.has(`${scheme.toLowerCase()}:`) ? compact : null;
}

/** The address if the picture may be loaded at once, else null. */
export function safeImage(address: string): string | null {
  const compact = address.replace(INVISIBLE, '');
  if (DATA_IMAGE.test(compact)) return compact;
  return OWN_IMAGE.test(compact) && !compact.includes('..') ? compact : null;
}
