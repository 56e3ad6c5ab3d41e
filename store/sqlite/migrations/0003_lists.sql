-- With this index a page of a list costs the same however many sessions the account has. It replaces the index on (owner, created_at,
-- status), and has the same size. A list of one status reads one range of it, and a list of all statuses reads a range for each status.
CREATE INDEX checkout_sessions_status ON checkout_sessions (owner, status, created_at);
DROP INDEX checkout_sessions_newest;

-- The client reference and the metadata of sessions that have any. Other sessions need no space for them.
CREATE TABLE checkout_labels (
	session          INTEGER PRIMARY KEY, -- checkout_sessions.num
	owner            INTEGER NOT NULL,    -- this and created_at are copies from the session, for the index
	created_at       INTEGER NOT NULL,
	client_reference TEXT,
	metadata         TEXT                 -- a JSON object of strings
) STRICT;

CREATE INDEX checkout_labels_reference ON checkout_labels (owner, client_reference, created_at)
	WHERE client_reference IS NOT NULL;
