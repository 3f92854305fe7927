-- A share of the requests, requests that wait, and what is watched after a deployment.
alter table environment add column share text;        -- JSON: what the arm that is not live gets of the requests
alter table environment add column hold text;         -- JSON: requests wait in the edge, how long at most
alter table environment add column watch_policy text not null default '{"forMs":120000,"rollback":true}'; -- JSON: how a new release is watched
alter table environment add column watch text;        -- JSON: the release that is watched, and how it answers
alter table deployment add column pause_requested bigint not null default 0; -- a person asked to let it stand
alter table instance add column counted text;         -- JSON: what the edge counted of it
alter table instance add column restarts_forgiven bigint not null default 0; -- of the engine's restarts, those before it last stayed up
