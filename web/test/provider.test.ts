import { describe, expect, it } from 'vitest';
import { handedToken, problemOf, providersOf } from '../src/lib/session/provider';

describe('sign-in at a provider', () => {
  it('finds the token that was handed over among other cookies', () => {
    expect(handedToken('a=1; token=abc.d-e_f; b=2')).toBe('abc.d-e_f');
    expect(handedToken('token=')).toBeNull();
    expect(handedToken('xtoken=a; Token=b')).toBeNull();
    expect(handedToken('')).toBeNull();
  });

  it('reads a problem from the address, and no endless one', () => {
    expect(problemOf('?error=This+sign-in+is+over%3A+start+again.')).toBe('This sign-in is over: start again.');
    expect(problemOf('?redirect=%2Fc%2F1')).toBe('');
    expect(problemOf(`?error=${'x'.repeat(1000)}`)).toHaveLength(301);
  });

  it('lists providers with their names and addresses', () => {
    expect(providersOf({ oidc: 'Example Id', google: '' })).toEqual([
      { id: 'oidc', name: 'Example Id', address: '/oauth/oidc/login' },
      { id: 'google', name: 'google', address: '/oauth/google/login' },
    ]);
    expect(providersOf(undefined)).toEqual([]);
  });
});
