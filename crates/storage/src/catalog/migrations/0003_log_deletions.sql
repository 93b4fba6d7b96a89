-- Requests to delete logs, and the files with the rows that they took out of the tables. Those can be put back until the files are
-- deleted. Both change in the transactions that change the tables.
CREATE TABLE trefoil_log_deletion (
    tenant      VARCHAR NOT NULL,
    request_id  VARCHAR NOT NULL,
    query       VARCHAR NOT NULL,
    first_nanos BIGINT NOT NULL,
    last_nanos  BIGINT NOT NULL,
    -- Milliseconds since the epoch.
    created_at  BIGINT NOT NULL,
    -- received, withheld, processed
    status      VARCHAR NOT NULL,
    PRIMARY KEY (tenant, request_id)
);
CREATE TABLE trefoil_withheld_file (
    path         VARCHAR PRIMARY KEY,
    tenant       VARCHAR NOT NULL,
    request_id   VARCHAR NOT NULL,
    record_count BIGINT NOT NULL,
    size_bytes   BIGINT NOT NULL,
    footer_size  BIGINT NOT NULL
);
CREATE INDEX trefoil_withheld_file_of_request ON trefoil_withheld_file(tenant, request_id);
