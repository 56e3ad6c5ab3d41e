-- One row for each change of a session, written in the transaction of the change. A create writes no row here, because the
-- session's own row shows it.
--
-- A number is never used twice (AUTOINCREMENT), and there is one writer at a time. So the order of numbers is the order of
-- commits, and no event appears later with a lower number than one that a reader has seen.
--
-- The table has only the columns that can change. The others are in the session's row. An event takes about 50 bytes with its index
-- entry, not counting its texts.
CREATE TABLE checkout_events (
	num            INTEGER PRIMARY KEY AUTOINCREMENT,
	session        INTEGER NOT NULL, -- checkout_sessions.num
	version        INTEGER NOT NULL, -- of the session, after the change
	status         INTEGER NOT NULL, -- as in checkout_sessions
	late           INTEGER NOT NULL,
	at             INTEGER NOT NULL, -- when the change was decided; expires_at for an expiry
	completed_at   INTEGER,
	payment_id     TEXT,
	failure_reason TEXT,
	first_status   INTEGER,          -- this and first_payment only with version 2: as the session was created
	first_payment  TEXT
) STRICT;

-- For the history of a session, and for the time of its last change.
CREATE UNIQUE INDEX checkout_events_session ON checkout_events (session, version);

-- For sessions that a program without events had changed: the state before the first event. The history of such a session
-- begins with it.
CREATE TABLE checkout_origins (
	session        INTEGER PRIMARY KEY,
	version        INTEGER NOT NULL,
	status         INTEGER NOT NULL,
	late           INTEGER NOT NULL,
	at             INTEGER NOT NULL, -- the time of the completion, or else of the creation; that of the last change is not known
	completed_at   INTEGER,
	payment_id     TEXT,
	failure_reason TEXT
) STRICT;
