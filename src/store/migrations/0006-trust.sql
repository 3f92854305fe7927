-- How far an environment, what is built for it and what was built are trusted; and what a one-off reads.
alter table environment add column trust text not null default 'ordinary'; -- untrusted, ordinary or protected: production, and what an administrator marks
update environment set trust = 'protected' where name = 'production';
alter table build add column trust text not null default 'ordinary'; -- level that it is built at: the cache, the secrets and the network it gets
update build set trust = case when trusted = 0 then 'untrusted' else coalesce((select environment.trust from environment where environment.id = build.environment_id), 'ordinary') end;
alter table build drop column trusted;
alter table artifact add column trust text not null default 'ordinary'; -- level that it was built at
update artifact set trust = coalesce((select build.trust from build where build.id = artifact.build_id), 'ordinary');
alter table one_off add column input text; -- base64 of the standard input that its container still has to be given; null: none, or given
