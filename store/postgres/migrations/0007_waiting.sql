-- The list's index in three parts: what was only created, what is pending, the rest. Each row is in one of them, so a create
-- writes as many indexes as before, one by card one less, and pending sessions are counted within their index: that of
-- 0004_pending.sql is of an expression, and PostgreSQL then looks at each row.
DROP INDEX checkout_sessions_pending;
CREATE INDEX checkout_sessions_pending ON checkout_sessions (account, test, created_at) WHERE status = 'pending';
CREATE INDEX checkout_sessions_rest ON checkout_sessions (account, test, created_at) WHERE settled IS NOT NULL;
DROP INDEX checkout_sessions_changed;
