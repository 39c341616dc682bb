/** Who may ask a model. Without a record it is for administrators; a public grant opens it to everybody. */

import type { Grant, Model, ModelRecord } from '$lib/api/shapes';

const isPublic = (grant: Grant) => grant.principal_type === 'user' && grant.principal_id === '*';

export function isOpen(record: ModelRecord | undefined): boolean {
  return (record?.access_grants ?? []).some((grant) => isPublic(grant) && grant.permission === 'read');
}

/** The record with or without the public grant; grants to single people and groups stay as they are. */
export function withAccess(model: Model, record: ModelRecord | undefined, open: boolean): ModelRecord {
  const known = record ?? {
    id: model.id,
    base_model_id: null,
    name: model.name,
    params: {},
    meta: {},
    access_grants: [],
    is_active: true,
  };
  const others = known.access_grants
    .filter((grant) => !isPublic(grant))
    .map(({ principal_type, principal_id, permission }) => ({ principal_type, principal_id, permission }));
  const everybody = { principal_type: 'user', principal_id: '*', permission: 'read' };
  return { ...known, access_grants: open ? [...others, everybody] : others };
}
