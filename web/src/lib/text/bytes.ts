/** Lengths in UTF-8 bytes, the unit in which the server counts the offsets of a reply. */

/** Bytes of `text` in UTF-8. A lone surrogate counts as the replacement character, as it would be sent. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit >= 0xd800 && unit < 0xdc00 && isLow(text.charCodeAt(index + 1))) {
      bytes += 4;
      index += 1;
    } else bytes += 3;
  }
  return bytes;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

/** `text` without its first `bytes` bytes; null when that would cut through a character. */
export function dropBytes(text: string, bytes: number): string | null {
  let left = bytes;
  let index = 0;
  while (left > 0 && index < text.length) {
    const character = String.fromCodePoint(text.codePointAt(index) ?? 0);
    left -= utf8Length(character);
    index += character.length;
  }
  return left === 0 ? text.slice(index) : null;
}
