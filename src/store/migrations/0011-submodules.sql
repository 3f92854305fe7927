-- Repositories that the credential of a source is given to.
alter table source add column submodules text not null default '[]'; -- JSON: URLs of submodules that the owner of the credential allowed
