-- The least level of trust at which the credential of a registry, and the images that it gives, are used.
alter table registry add column trust text not null default 'ordinary'; -- ordinary | protected
