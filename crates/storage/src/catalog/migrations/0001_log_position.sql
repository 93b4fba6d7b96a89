-- How far each writer's durable log has been turned into files. Set in the transaction that lists those files, so that a
-- replay after a crash stores nothing twice and leaves nothing out.
CREATE TABLE trefoil_log_position (
    writer   VARCHAR PRIMARY KEY,
    position BIGINT NOT NULL
);
