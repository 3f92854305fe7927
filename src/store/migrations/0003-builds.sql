-- Builds wait their turn, know what they are made of, and say what they did; code comes in more ways than by push.
alter table app add column root text not null default '';        -- folder of its repository it lives in; '' is all of it
alter table app add column watch text not null default '[]';     -- JSON: patterns of paths; a push that changes none of them is not built
alter table environment add column tags text;                    -- pattern of tags that are deployed here; null: none
alter table environment add column verify text not null default 'off'; -- what is done again before a promotion to here: off, test or rebuild
alter table build add column purpose text not null default 'deploy';   -- deploy: its artifact is deployed; test, compare: it verifies one that is there
alter table build add column tree_id text;                       -- git tree below the root of the app; null: not read yet
alter table build add column recipe text;                        -- hash of all beside the tree that decides the result; null: cannot be told
alter table build add column trusted bigint not null default 1;  -- 0: no secret, a cache of its own
alter table build add column again bigint not null default 0;    -- built although the same was built before
alter table build add column tests text;                         -- JSON: what its tests said; null: nothing
alter table build add column reused text;                        -- the build whose artifact it took instead of building
alter table artifact add column tree_id text;                    -- of the build that made it
alter table artifact add column recipe text;                     -- of the build that made it
alter table artifact add column content text;                    -- hash of its files without their times; null: unknown
alter table artifact add column reference text;                  -- NAME@sha256:... in the registry of artifacts; null: it is in the engine only
create index artifact_by_recipe on artifact(app_id, tree_id, recipe);

create table build_step (
  id text primary key,              -- BUILD/NUMBER
  project_id text not null references project(id), -- whose it is
  build_id text not null references build(id), -- of which build
  number bigint not null,           -- in the order they began
  name text not null,               -- for people: npm ci
  state text not null,              -- running, done, failed
  ms bigint not null,               -- how long it took; while it runs: 0
  cached bigint not null,           -- nothing was run: an earlier build left the same
  started_at bigint not null        -- when it began
);
create index build_step_by_build on build_step(build_id, number);

create table source (
  app_id text primary key references app(id), -- whose code it is
  project_id text not null references project(id), -- whose it is
  url text not null,                -- https or ssh, without user and password
  username text,                    -- for the credential; null: what the host's kind wants
  credential text,                  -- JSON: sealed token or private key; null: public
  kind text not null,               -- none, token or key: what the credential is
  known_hosts text not null,        -- pinned host keys of ssh, in the form of known_hosts(5)
  every_ms bigint not null,         -- how often it is looked at
  seen text not null,               -- JSON: ref to commit at the last look
  checked_at bigint,                -- last look
  next_at bigint not null,          -- next look
  failures bigint not null,         -- looks in a row that failed
  problem text,                     -- why the last look failed
  version bigint not null           -- compare-and-set
);

create table registry (
  host text primary key,            -- HOST or HOST:PORT of an image registry
  username text not null,           -- who signs in there
  credential text not null,         -- JSON: sealed password or token
  actor text not null,              -- who set it
  created_at bigint not null        -- when it was set
);
