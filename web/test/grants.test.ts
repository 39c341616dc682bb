import { describe, expect, it } from 'vitest';
import type { ModelRecord } from '../src/lib/api/shapes';
import { isOpen, withAccess } from '../src/pages/admin/grants';

const model = { id: 'm', name: 'M' };
const single = { principal_type: 'user', principal_id: 'u1', permission: 'read' };
const everybody = { principal_type: 'user', principal_id: '*', permission: 'read' };
const record: ModelRecord = {
  id: 'm',
  base_model_id: null,
  name: 'Named',
  params: { temperature: 0 },
  meta: { description: 'kept' },
  access_grants: [single],
  is_active: true,
};

describe('access to a model', () => {
  it('is for administrators without a record or a public grant', () => {
    expect(isOpen(undefined)).toBe(false);
    expect(isOpen(record)).toBe(false);
    expect(isOpen({ ...record, access_grants: [everybody] })).toBe(true);
  });

  it('opens a model that has no record yet', () => {
    expect(withAccess(model, undefined, true)).toMatchObject({ id: 'm', name: 'M', base_model_id: null, access_grants: [everybody] });
  });

  it('keeps everything else when it opens and closes', () => {
    const opened = withAccess(model, record, true);
    expect(opened).toEqual({ ...record, access_grants: [single, everybody] });
    expect(withAccess(model, opened, false)).toEqual(record);
  });
});
