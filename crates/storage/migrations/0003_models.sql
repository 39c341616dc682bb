-- Records of models, and who may use what.

CREATE TABLE models (
    id TEXT NOT NULL PRIMARY KEY,
    version_id TEXT NOT NULL,
    -- Who made the record. No reference: the record outlives the account, others use it.
    user_id TEXT NOT NULL,
    base_model_id TEXT,
    name TEXT NOT NULL,
    params TEXT NOT NULL,
    meta TEXT NOT NULL,
    is_active BOOLEAN NOT NULL,
    updated_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE access_grants (
    id TEXT NOT NULL PRIMARY KEY,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    principal_type TEXT NOT NULL,
    -- A user, a group, or `*` for everybody.
    principal_id TEXT NOT NULL,
    permission TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (resource_type, resource_id, principal_type, principal_id, permission)
);

CREATE INDEX access_grants_by_principal ON access_grants (principal_type, principal_id, resource_type);
