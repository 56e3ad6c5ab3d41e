-- For lists by a status that the clock cannot change, and for Prune. settled is a column of its own, so that no index uses the
-- status. Then a change from created to pending changes no indexed column, and writes no index at all. 0004_pending.sql gives
-- this up for its index. PostgreSQL computes settled, also if an older release writes the row. It is null while the session is
-- created or pending, so a create and Begin write nothing for it.
--
-- The table is rewritten once. Meanwhile it is locked for all others. The documentation of the package says how long that
-- takes.
ALTER TABLE checkout_sessions
    ADD COLUMN settled text COLLATE "C" GENERATED ALWAYS AS (CASE WHEN status NOT IN ('created', 'pending') THEN status END) STORED;

CREATE INDEX checkout_sessions_settled ON checkout_sessions (account, test, settled, created_at) WHERE settled IS NOT NULL;

CREATE INDEX checkout_sessions_reference ON checkout_sessions (account, test, client_reference, created_at)
    WHERE client_reference IS NOT NULL;
