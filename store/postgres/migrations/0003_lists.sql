-- For lists by a status that the clock cannot change, and for Prune. It is a column of its own, so that no index names the
-- status: a change from created to pending then changes no indexed column, and touches no index at all. PostgreSQL computes
-- it whichever release writes the row. Null until the payment was taken up or the session has ended, so a create and Begin
-- write nothing for it.
--
-- The table is rewritten once, locked for all others: the documentation of the package says how long that takes.
ALTER TABLE checkout_sessions
    ADD COLUMN settled text COLLATE "C" GENERATED ALWAYS AS (CASE WHEN status NOT IN ('created', 'pending') THEN status END) STORED;

CREATE INDEX checkout_sessions_settled ON checkout_sessions (account, test, settled, created_at) WHERE settled IS NOT NULL;

CREATE INDEX checkout_sessions_reference ON checkout_sessions (account, test, client_reference, created_at)
    WHERE client_reference IS NOT NULL;
