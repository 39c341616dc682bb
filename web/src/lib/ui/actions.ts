/** What buttons in several places do. */

import { tick } from 'svelte';
import { conversation } from '../chat/conversation.svelte';
import { layout } from './layout.svelte';
import { router } from './router.svelte';

export function startNewChat(temporary = false): void {
  layout.drawer = false;
  conversation.reset(temporary);
  router.go(temporary ? '/?temporary-chat=true' : '/');
  focusComposer();
}

export function focusComposer(): void {
  void tick().then(() => document.querySelector<HTMLElement>('[data-testid="composer"]')?.focus());
}

export function focusSearch(): void {
  if (layout.narrow) layout.drawer = true;
  void tick().then(() => document.querySelector<HTMLElement>('[data-testid="search"]')?.focus());
}
