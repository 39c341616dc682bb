/** The models this person may use, and, for administrators, the providers that do not answer. */

import { causeOf } from '../api/http';
import { listModels, listProviders } from '../api/chats';
import type { Model, ProviderState } from '../api/shapes';
import { readLocal, writeLocal } from '../ui/storage';
import { session } from './session.svelte';

const CHOICE_KEY = 'antiphon.model';

class Models {
  all = $state.raw<Model[]>([]);
  phase = $state<'loading' | 'ready' | 'failed'>('loading');
  failure = $state('');
  providers = $state.raw<ProviderState[]>([]);
  chosenId = $state(readLocal(CHOICE_KEY) ?? '');

  get failing(): ProviderState[] {
    return this.providers.filter((provider) => !provider.ok);
  }

  /** The model for the next question: the chosen one, the server's default, or the first. */
  get chosen(): Model | null {
    const wanted = [this.chosenId, ...(session.config?.default_models ?? '').split(',').map((id) => id.trim())];
    for (const id of wanted) {
      const model = this.byId(id);
      if (model) return model;
    }
    return this.all[0] ?? null;
  }

  byId(id: string | undefined): Model | null {
    return this.all.find((model) => model.id === id) ?? null;
  }

  nameOf(id: string | undefined): string {
    const model = this.byId(id);
    if (isDemonstration(model)) return `${shortName(model)}, demonstration`;
    return model?.name ?? id ?? 'Unknown model';
  }

  choose(id: string): void {
    this.chosenId = id;
    writeLocal(CHOICE_KEY, id);
  }

  /** Follows the model of the chat that was opened, without making it the default. */
  follow(id: string | undefined): void {
    if (this.byId(id)) this.chosenId = id ?? '';
  }

  async load(refresh = false): Promise<void> {
    try {
      const found = (await listModels(refresh)).data ?? [];
      this.all = found.filter((model) => model.info?.meta?.hidden !== true);
      this.phase = 'ready';
      this.failure = '';
    } catch (error) {
      this.failure = causeOf(error);
      if (this.all.length === 0) this.phase = 'failed';
    }
    // After the models: asking for them is what shows how the providers fare.
    if (session.isAdmin) this.providers = await listProviders().catch(() => [] as ProviderState[]);
  }

  forget(): void {
    this.all = [];
    this.providers = [];
    this.phase = 'loading';
  }
}

/** Whether this is the small model that comes with the server, for a first look. */
export function isDemonstration(model: Model | null): boolean {
  // Administrators may call a connection of theirs local too; the server's own model says in its name what it is for.
  return model?.connection_type === 'local' && /demonstration/i.test(model.name);
}

/** The name without what stands behind it in brackets, where space is short. */
export function shortName(model: Model | null): string {
  const name = model?.name ?? '';
  return isDemonstration(model) ? name.replace(/\s*\([^)]*\)$/, '') : name;
}

export const models = new Models();
