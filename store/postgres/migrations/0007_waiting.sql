-- Now three indexes serve lists: for sessions that are still created, for pending sessions, and for the rest. A create writes as
-- many indexes as before, and a create for a card one less. Pending sessions can be counted in their index alone. With the
-- index of 0004_pending.sql that was not possible, because for an index of an expression PostgreSQL also reads each row.
CREATE INDEX checkout_sessions_waiting ON checkout_sessions (account, test, created_at) WHERE status = 'pending';
CREATE INDEX checkout_sessions_rest ON checkout_sessions (account, test, created_at) WHERE settled IS NOT NULL;
-- From here on reads wait too, but not for long.
DROP INDEX checkout_sessions_changed;
DROP INDEX checkout_sessions_pending;
ALTER INDEX checkout_sessions_waiting RENAME TO checkout_sessions_pending;
