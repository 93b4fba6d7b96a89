-- What tenants set for themselves, by the name of what it is about: text that only whoever wrote it understands. The version changes
-- with every write, so that who changes it on the ground of an older one is told.
CREATE TABLE trefoil_tenant_settings (
    tenant  VARCHAR NOT NULL,
    name    VARCHAR NOT NULL,
    version BIGINT NOT NULL,
    value   VARCHAR NOT NULL,
    PRIMARY KEY (tenant, name)
);
