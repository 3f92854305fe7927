-- Portable between SQLite and PostgreSQL: text ids, bigint milliseconds since 1970, 0/1 for booleans, JSON as text.

create table meta (
  name text primary key,            -- what is kept: epoch (start count of servers, the fencing number), edge_generation, installation
  value text not null               -- its value
);

create table project (
  id text primary key,              -- p-...; the first one is called default
  name text not null unique,        -- for people
  created_at bigint not null        -- when it was made
);

create table app (
  id text primary key,              -- a-...
  project_id text not null references project(id), -- whose it is
  name text not null,               -- unique among apps that are not gone
  created_at bigint not null,       -- when it was made
  removed_at bigint,                -- when removal was asked for
  gone_at bigint,                   -- when nothing of it was left
  version bigint not null           -- compare-and-set
);
create unique index app_name on app(name) where gone_at is null;

create table environment (
  id text primary key,              -- e-...
  project_id text not null references project(id), -- whose it is
  app_id text not null references app(id), -- of which app
  name text not null,               -- production, staging
  wish text not null,               -- JSON: release, set, count, running: what should be there
  strategy text not null,           -- JSON: kind and surge
  strategy_set_by text not null,    -- default, manifest or operator: who wins
  branch text not null,             -- a push to it is deployed here
  live_arm text not null,           -- blue or green: the stable arm
  route_generation bigint not null, -- the first edge generation that holds what it wants routed
  subnet bigint not null,           -- index of its /26 in the instance range
  created_at bigint not null,       -- when it was made
  removed_at bigint,                -- when removal was asked for
  gone_at bigint,                   -- when nothing of it was left
  version bigint not null           -- compare-and-set
);
create unique index environment_name on environment(app_id, name) where gone_at is null;
create unique index environment_subnet on environment(subnet) where gone_at is null;

create table domain (
  host text not null,               -- hostname or *.hostname
  path text not null,               -- path prefix, / for all
  environment_id text not null references environment(id), -- to where it leads
  project_id text not null references project(id), -- whose it is
  kind text not null,               -- generated or own
  created_at bigint not null,       -- when it was claimed
  primary key (host, path)          -- two apps cannot claim one
);

create table config_revision (
  id text primary key,              -- c-...
  project_id text not null references project(id), -- whose it is
  environment_id text not null references environment(id), -- of which environment
  number bigint not null,           -- grows per environment
  "values" text not null,           -- JSON: key to plain value or secret reference
  note text not null,               -- why it is there
  actor text not null,              -- who made it
  created_at bigint not null,       -- when it was made
  unique (environment_id, number)
);

create table secret_version (
  id text primary key,              -- s-...
  project_id text not null references project(id), -- whose it is
  environment_id text not null references environment(id), -- part of the sealed value's additional data
  name text not null,               -- part of the additional data
  version bigint not null,          -- part of the additional data; grows per name
  sealed text not null,             -- JSON: key id, nonce, ciphertext, tag
  revoked_at bigint,                -- never used again
  created_at bigint not null,       -- when it was sealed
  unique (environment_id, name, version)
);

create table artifact (
  id text primary key,              -- t-...
  project_id text not null references project(id), -- whose it is
  app_id text not null references app(id), -- of which app
  digest text not null,             -- config digest of the image
  origin text not null,             -- where it came from, for people
  commit_id text,                   -- commit it was built from
  build_id text,                    -- build that made it
  run_spec text not null,           -- JSON: how its releases run
  created_at bigint not null,       -- when it was made
  removed_at bigint                 -- when its image was removed by retention
);

create table release (
  id text primary key,              -- r-...
  project_id text not null references project(id), -- whose it is
  environment_id text not null references environment(id), -- where it runs
  number bigint not null,           -- r42: grows per environment
  artifact_id text not null references artifact(id), -- what runs
  config_revision_id text not null references config_revision(id), -- with which configuration
  run_spec text not null,           -- JSON: command, port, protocol, health, limits
  actor text not null,              -- who made it
  created_at bigint not null,       -- when it was made
  proven_at bigint,                 -- when a deployment of it succeeded
  unique (environment_id, number)
);

create table pin (
  environment_id text not null references environment(id), -- where
  artifact_id text not null references artifact(id), -- the pair that a rollback left behind
  config_revision_id text not null references config_revision(id), -- the pair that a rollback left behind
  reason text not null,             -- for people
  created_at bigint not null,       -- when it was pinned
  primary key (environment_id, artifact_id, config_revision_id)
);

create table build (
  id text primary key,              -- b-...
  project_id text not null references project(id), -- whose it is
  app_id text not null references app(id), -- of which app
  environment_id text not null references environment(id), -- where its artifact is deployed
  commit_id text not null,          -- what is built
  ref text not null,                -- full ref that was asked for
  status text not null,             -- state machine in core/build/build.ts
  cause text not null,              -- why it is there
  message text not null,            -- for people
  artifact_id text,                 -- its result
  deployment_id text,               -- the deployment it opened
  actor text not null,              -- who asked
  created_at bigint not null,       -- when it was asked for
  started_at bigint,                -- when it began
  finished_at bigint,               -- when it ended
  version bigint not null           -- compare-and-set
);
create index build_by_environment on build(environment_id, created_at);
create index build_by_status on build(status);

create table deployment (
  id text primary key,              -- d-...
  project_id text not null references project(id), -- whose it is
  environment_id text not null references environment(id), -- where
  number bigint not null,           -- grows per environment: the newest asked for wins
  verb text not null,               -- deploy, rollback, restart, stop, start, scale
  request text not null,            -- JSON: what was asked for
  wish text not null,               -- JSON, frozen when it begins: what it brings
  previous text not null,           -- JSON, frozen: where it goes back to
  strategy text not null,           -- JSON, frozen: how it moves
  fingerprint text not null,        -- hash of the frozen inputs
  status text not null,             -- state machine in core/deployment/deployment.ts
  cause text not null,              -- why it is there
  message text not null,            -- for people
  blocked text,                     -- what it waits for, and who can change that
  cancel_requested bigint not null, -- a person asked to end it
  report text,                      -- JSON: what a failed step saw
  build_id text,                    -- the build that opened it
  actor text not null,              -- who asked
  created_at bigint not null,       -- when it was asked for
  started_at bigint,                -- when it began
  finished_at bigint,               -- when it ended
  version bigint not null,          -- compare-and-set
  unique (environment_id, number)
);
create unique index deployment_active on deployment(environment_id) where status in ('running', 'paused', 'reverting');
create index deployment_by_status on deployment(status);

create table step (
  id text primary key,              -- st-...
  project_id text not null references project(id), -- whose it is
  environment_id text not null references environment(id), -- where
  deployment_id text,               -- of which deployment; null: the wish was kept without one
  seq bigint not null,              -- order in its environment
  "key" text not null,              -- same for the same action planned again; labels the effect
  kind text not null,               -- a word of the ordered flow
  instance text,                    -- about which instance
  status text not null,             -- intended, done, failed, dropped
  budget_used_ms bigint not null,   -- of its deadline
  numbers text not null,            -- JSON: what was counted
  waiting text,                     -- what it waits for
  started_at bigint not null,       -- intent
  finished_at bigint,               -- result
  unique (environment_id, seq)
);
create index step_by_deployment on step(deployment_id, seq);
create index step_open on step(environment_id, status);

create table instance (
  name text primary key,            -- also the container's name
  project_id text not null references project(id), -- whose it is
  environment_id text not null references environment(id), -- where
  release_id text not null references release(id), -- what runs in it
  "set" bigint not null,            -- which instance set
  ordinal bigint not null,          -- its number in the set
  address text not null,            -- IPv4, its own for life
  port bigint not null,             -- where it listens
  arm text not null,                -- blue or green
  traffic text not null,            -- none, in, out: what we want of the edge
  proven bigint not null,           -- it was ready once
  crashes bigint not null,          -- in a row
  retry_at bigint not null,         -- not tried again before
  fault text,                       -- why it is being replaced in place
  created_at bigint not null,       -- when its record was made
  removed_at bigint,                -- when it was gone from the engine
  removed_generation bigint not null, -- its address is free once the edge confirmed this
  version bigint not null           -- compare-and-set
);
create index instance_by_environment on instance(environment_id, removed_at);

create table one_off (
  id text primary key,              -- o-...
  project_id text not null references project(id), -- whose it is
  environment_id text not null references environment(id), -- where
  release_id text not null references release(id), -- image and configuration
  deployment_id text,               -- set: it is that deployment's release command
  command text not null,            -- JSON: arguments
  status text not null,             -- state machine in core/one-off/one-off.ts
  exit_code bigint,                 -- when it ended by itself
  message text not null,            -- for people
  cancel_requested bigint not null, -- a person asked to end it
  budget_used_ms bigint not null,   -- of its deadline
  actor text not null,              -- who asked
  created_at bigint not null,       -- when it was asked for
  finished_at bigint,               -- when it ended
  version bigint not null           -- compare-and-set
);
create index one_off_by_environment on one_off(environment_id, status);

create table event (
  seq bigint primary key,           -- order of all facts
  at bigint not null,               -- when
  kind text not null,               -- deployment.running, token.created ...
  actor text not null,              -- who
  project_id text not null,         -- whose
  app_id text,                      -- about which app
  environment_id text,              -- about which environment
  subject text,                     -- id of what it is about
  data text not null,               -- JSON: the facts
  previous_hash text not null,      -- hash of the event before
  hash text not null                -- SHA-256 over this row and previous_hash
);
create index event_by_environment on event(environment_id, seq);

create table token (
  id text primary key,              -- k-...
  project_id text,                  -- null: the whole installation
  name text not null,               -- for people
  hash text not null unique,        -- SHA-256 of the secret
  role text not null,               -- viewer, developer, releaser, admin
  expires_at bigint,                -- null: never
  revoked_at bigint,                -- dead since
  created_at bigint not null,       -- when it was made
  last_used_at bigint               -- to the minute
);

create table sign_in_code (
  hash text primary key,            -- SHA-256 of the code
  expires_at bigint not null,       -- one use, and only until then
  used_at bigint                    -- when it was used
);

create table push (
  number bigint primary key,        -- refs/lockgate/pushes/N
  project_id text not null references project(id), -- whose
  app_id text not null references app(id), -- of which app
  environment_id text not null references environment(id), -- where it is deployed
  ref text not null,                -- full ref that was pushed
  commit_id text not null,          -- what was pushed
  build_id text,                    -- its build
  actor text not null,              -- who
  created_at bigint not null        -- when
);
