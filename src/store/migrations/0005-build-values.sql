-- Values of the configuration that a build read, so that another environment or a changed value is another build.
alter table artifact add column build_values text not null default '{}'; -- JSON: for each key of build.secrets a keyed hash of the value that the build was given
