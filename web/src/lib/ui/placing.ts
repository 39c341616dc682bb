/** Distance between a menu and its button, and from the edge of the window, in pixels. */
const GAP = 4;
const EDGE = 8;

/** Puts an open popup beside its button, inside the window. */
export function place(popup: HTMLElement, button: HTMLElement): void {
  const anchor = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = popup;
  const fitsBelow = anchor.bottom + GAP + height <= innerHeight - EDGE;
  const fitsAbove = anchor.top - GAP - height >= EDGE;
  const top = fitsBelow || !fitsAbove ? anchor.bottom + GAP : anchor.top - GAP - height;
  const startsLeft = anchor.left + width <= innerWidth - EDGE;
  const left = startsLeft ? anchor.left : anchor.right - width;
  popup.style.top = `${Math.max(EDGE, Math.min(top, innerHeight - height - EDGE))}px`;
  popup.style.left = `${Math.max(EDGE, Math.min(left, innerWidth - width - EDGE))}px`;
}
