-- The list's index in two halves: what was only created, and the rest. Each row is in one of them, so a create writes as many
-- indexes as before, and a list by created reads its own half. A list of all reads both, newest first.
CREATE INDEX checkout_sessions_created ON checkout_sessions (account, test, created_at) WHERE status = 'created';
CREATE INDEX checkout_sessions_changed ON checkout_sessions (account, test, created_at) WHERE status <> 'created';
DROP INDEX checkout_sessions_list;
