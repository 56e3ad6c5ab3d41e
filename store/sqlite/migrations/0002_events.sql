-- One row for each change of a session, written in the transaction of the change. A create writes none: the session's own
-- row says it.
--
-- A number is never given twice (AUTOINCREMENT), and there is one writer at a time, so the order of numbers is the order of
-- commits: who has read up to a number has read all there will ever be up to it.
--
-- Only what a change can change is here. The rest is in the session's row. An event takes some 50 bytes beside its texts,
-- the index included.
CREATE TABLE checkout_events (
	num            INTEGER PRIMARY KEY AUTOINCREMENT,
	session        INTEGER NOT NULL, -- checkout_sessions.num
	version        INTEGER NOT NULL, -- of the session, after the change
	status         INTEGER NOT NULL, -- as in checkout_sessions, and so are the others
	late           INTEGER NOT NULL,
	at             INTEGER NOT NULL, -- when the change was decided
	completed_at   INTEGER,
	payment_id     TEXT,
	failure_reason TEXT,
	first_status   INTEGER,          -- of version 2 only: what the session was created with
	first_payment  TEXT
) STRICT;

-- For the history of a session, and for the time of its last change.
CREATE UNIQUE INDEX checkout_events_session ON checkout_events (session, version);

-- The state of a session that a program without events had changed, as it was before its first event: what its history
-- begins with.
CREATE TABLE checkout_origins (
	session        INTEGER PRIMARY KEY,
	version        INTEGER NOT NULL,
	status         INTEGER NOT NULL,
	late           INTEGER NOT NULL,
	at             INTEGER NOT NULL, -- of the completion, or else of the creation: of the last change it is not known
	completed_at   INTEGER,
	payment_id     TEXT,
	failure_reason TEXT
) STRICT;
