-- Lists that cost the same at any size. This index takes the place of one on (owner, created_at, status) and is as large:
-- a list of one status reads one range of it, a list of all statuses seven ranges at once.
CREATE INDEX checkout_sessions_status ON checkout_sessions (owner, status, created_at);
DROP INDEX checkout_sessions_newest;

-- The merchant's own: of a session that has any, so that others need no room for it.
CREATE TABLE checkout_labels (
	session          INTEGER PRIMARY KEY, -- checkout_sessions.num
	owner            INTEGER NOT NULL,    -- this and created_at as in the session, for the index
	created_at       INTEGER NOT NULL,
	client_reference TEXT,
	metadata         TEXT                 -- a JSON object of strings
) STRICT;

CREATE INDEX checkout_labels_reference ON checkout_labels (owner, client_reference, created_at)
	WHERE client_reference IS NOT NULL;
