-- Now three indexes serve lists: for sessions that were only created, for pending sessions, and for the rest. A create writes as
-- many indexes as before, and a create for a card one less. Pending sessions can be counted in their index alone. With the
-- index of 0004_pending.sql that was not possible, because for an index of an expression PostgreSQL also reads each row.
DROP INDEX checkout_sessions_pending;
CREATE INDEX checkout_sessions_pending ON checkout_sessions (account, test, created_at) WHERE status = 'pending';
CREATE INDEX checkout_sessions_rest ON checkout_sessions (account, test, created_at) WHERE settled IS NOT NULL;
DROP INDEX checkout_sessions_changed;
