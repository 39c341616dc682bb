/** Sign-up, sign-in, the own account. */

import { CallError, call, get, post, remove } from './http';
import type { Config, Session, Settings, Version } from './shapes';

/** Picture of a new account. The page itself draws initials; other clients show this file. */
const NO_PICTURE = '/user.png';

export const readConfig = () => call<Config>('/api/config', { anonymous: true });

export const readVersion = () => call<Version>('/api/version', { anonymous: true });

export const readSession = () => get<Session>('/api/v1/auths/');

export const signIn = (email: string, password: string) =>
  call<Session>('/api/v1/auths/signin', { method: 'POST', body: { email, password }, anonymous: true });

export const signUp = (name: string, email: string, password: string) =>
  call<Session>('/api/v1/auths/signup', {
    method: 'POST',
    body: { name, email, password, profile_image_url: NO_PICTURE },
    anonymous: true,
  });

export const signOut = () =>
  call<{ redirect_url?: string }>('/api/v1/auths/signout', { method: 'POST', timeoutMs: 5_000, last: true });

export const sendTimezone = (timezone: string) => post<unknown>('/api/v1/auths/update/timezone', { timezone });

export const updateProfile = (session: Session, name: string) =>
  post<{ name: string }>('/api/v1/auths/update/profile', {
    name,
    profile_image_url: session.profile_image_url || NO_PICTURE,
    bio: null,
    gender: null,
    date_of_birth: null,
  });

export const updatePassword = (password: string, newPassword: string) =>
  post<boolean>('/api/v1/auths/update/password', { password, new_password: newPassword });

/** The API key, or null when there is none yet. */
export async function readApiKey(): Promise<string | null> {
  try {
    return (await get<{ api_key: string }>('/api/v1/auths/api_key')).api_key;
  } catch (error) {
    if (error instanceof CallError && error.status === 404) return null;
    throw error;
  }
}

export const createApiKey = () => post<{ api_key: string }>('/api/v1/auths/api_key');

export const deleteApiKey = () => remove<boolean>('/api/v1/auths/api_key');

export const readAdminContact = () => get<{ name?: string; email?: string }>('/api/v1/auths/admin/details');

export const readSettings = () => get<Settings | null>('/api/v1/users/user/settings');

export const updateSettings = (settings: Settings) => post<Settings>('/api/v1/users/user/settings/update', settings);
