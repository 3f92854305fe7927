-- A release is live when a deployment of it succeeded, and proven when its observation window has passed without a finding.
alter table release add column live_at bigint; -- when a deployment of it first succeeded
alter table release add column fault text;     -- what was found against it while it was watched; null: nothing
update release set live_at = proven_at;
