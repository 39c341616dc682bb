/** Day, night or as the system says. `theme.js` has already applied the stored choice before the first paint. */

import { readLocal, writeLocal } from './storage';

export type ThemeChoice = 'system' | 'light' | 'dark';

const KEY = 'theme';
const dark = matchMedia('(prefers-color-scheme: dark)');

function stored(): ThemeChoice {
  const value = readLocal(KEY);
  return value === 'light' || value === 'dark' ? value : 'system';
}

class Theme {
  choice = $state<ThemeChoice>(stored());

  constructor() {
    dark.addEventListener('change', () => this.#apply());
    addEventListener('storage', (event) => {
      if (event.key !== KEY) return;
      this.choice = stored();
      this.#apply();
    });
  }

  choose(choice: ThemeChoice): void {
    this.choice = choice;
    writeLocal(KEY, choice);
    this.#apply();
  }

  #apply(): void {
    const night = this.choice === 'dark' || (this.choice === 'system' && dark.matches);
    document.documentElement.dataset['theme'] = night ? 'night' : 'day';
    const paper = getComputedStyle(document.documentElement).getPropertyValue('--paper').trim();
    document.querySelector('meta[name="theme-color"]')?.setAttribute('content', paper);
  }
}

export const theme = new Theme();
