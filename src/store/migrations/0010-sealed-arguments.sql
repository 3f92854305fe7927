-- What was given to a one-off (arguments that hold secrets, standard input) is sealed until it has ended.
alter table one_off drop column input;
alter table one_off add column sealed text;                      -- JSON: arguments and input, sealed; null: command is all there is
