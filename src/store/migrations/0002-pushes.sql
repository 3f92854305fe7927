-- What became of a push: a branch moves when its deployment has succeeded, also when the server was away in between.
alter table push add column deployment_id text;   -- its deployment, when it was opened without a build
alter table push add column settled_at bigint;    -- when it was known how it ended; null: it is on its way
