-- Who did something is an identity (kind, id, name), not a name; events carry a keyed MAC whose key is not in the database.
-- Rows written before this migration know the name only: the id is filled in where exactly one token has that name.
-- build.actor, deployment.actor, release.actor, config_revision.actor, one_off.actor, push.actor, registry.actor and
-- event.actor become JSON: kind (token, platform, sign_in_code), id (null: not recorded then) and name.
update build set actor = case when actor = 'lockgate' then '{"kind":"platform","id":"lockgate","name":"lockgate"}' else '{"kind":"token","id":'
  || coalesce((select '"' || min(token.id) || '"' from token where token.name = build.actor having count(*) = 1), 'null')
  || ',"name":"' || replace(replace(actor, '\', '\\'), '"', '\"') || '"}' end;
update deployment set actor = case when actor = 'lockgate' then '{"kind":"platform","id":"lockgate","name":"lockgate"}' else '{"kind":"token","id":'
  || coalesce((select '"' || min(token.id) || '"' from token where token.name = deployment.actor having count(*) = 1), 'null')
  || ',"name":"' || replace(replace(actor, '\', '\\'), '"', '\"') || '"}' end;
update release set actor = case when actor = 'lockgate' then '{"kind":"platform","id":"lockgate","name":"lockgate"}' else '{"kind":"token","id":'
  || coalesce((select '"' || min(token.id) || '"' from token where token.name = release.actor having count(*) = 1), 'null')
  || ',"name":"' || replace(replace(actor, '\', '\\'), '"', '\"') || '"}' end;
update config_revision set actor = case when actor = 'lockgate' then '{"kind":"platform","id":"lockgate","name":"lockgate"}' else '{"kind":"token","id":'
  || coalesce((select '"' || min(token.id) || '"' from token where token.name = config_revision.actor having count(*) = 1), 'null')
  || ',"name":"' || replace(replace(actor, '\', '\\'), '"', '\"') || '"}' end;
update one_off set actor = case when actor = 'lockgate' then '{"kind":"platform","id":"lockgate","name":"lockgate"}' else '{"kind":"token","id":'
  || coalesce((select '"' || min(token.id) || '"' from token where token.name = one_off.actor having count(*) = 1), 'null')
  || ',"name":"' || replace(replace(actor, '\', '\\'), '"', '\"') || '"}' end;
update push set actor = case when actor = 'lockgate' then '{"kind":"platform","id":"lockgate","name":"lockgate"}' else '{"kind":"token","id":'
  || coalesce((select '"' || min(token.id) || '"' from token where token.name = push.actor having count(*) = 1), 'null')
  || ',"name":"' || replace(replace(actor, '\', '\\'), '"', '\"') || '"}' end;
update registry set actor = case when actor = 'lockgate' then '{"kind":"platform","id":"lockgate","name":"lockgate"}' else '{"kind":"token","id":'
  || coalesce((select '"' || min(token.id) || '"' from token where token.name = registry.actor having count(*) = 1), 'null')
  || ',"name":"' || replace(replace(actor, '\', '\\'), '"', '\"') || '"}' end;
update event set actor = case when actor = 'lockgate' then '{"kind":"platform","id":"lockgate","name":"lockgate"}' else '{"kind":"token","id":'
  || coalesce((select '"' || min(token.id) || '"' from token where token.name = event.actor having count(*) = 1), 'null')
  || ',"name":"' || replace(replace(actor, '\', '\\'), '"', '\"') || '"}' end;
alter table event add column form bigint not null default 1;     -- how hash is made: 1 SHA-256 over the name of the actor; 2 HMAC-SHA-256 with the audit key over its identity
