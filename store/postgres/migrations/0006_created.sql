-- These two indexes replace the list's index. One has the sessions that are still created, the other has the rest. Each row is
-- in exactly one of them, so a create writes as many indexes as before. A list of created sessions reads only its own index. A
-- list of all sessions reads both, newest first.
CREATE INDEX checkout_sessions_created ON checkout_sessions (account, test, created_at) WHERE status = 'created';
CREATE INDEX checkout_sessions_changed ON checkout_sessions (account, test, created_at) WHERE status <> 'created';
DROP INDEX checkout_sessions_list;
