-- The less a durable create writes, the less it costs. So rows and indexes are narrow: about 260 bytes for a session, 100 of them in
-- the indexes. The view checkout_readable, at the end, shows the same data in a form for people.

-- An account in one mode, live (0) or test (1). Sessions and two of their indexes refer to it by num. A num takes one to three
-- bytes; the account's own name would take about twenty, in three places.
CREATE TABLE checkout_accounts (
	num     INTEGER PRIMARY KEY,
	account TEXT    NOT NULL,
	test    INTEGER NOT NULL,
	UNIQUE (account, test)
) STRICT;

-- Times are microseconds since 1970 in UTC. NULL means "none"; '' is never stored for it.
--
-- This is a rowid table. So the entries of the indexes end in a rowid of four bytes, and not in an id of eighteen. The index of
-- keys, whose pages are used at random, is then small enough to stay in memory.
CREATE TABLE checkout_sessions (
	num             INTEGER PRIMARY KEY,
	owner           INTEGER NOT NULL, -- checkout_accounts.num
	id              ANY     NOT NULL, -- cs_ci_<32 hex digits>: those 16 bytes, then 'ci', as a BLOB; any other as TEXT
	idempotency_key ANY,              -- a UUID in lower case: its 16 bytes as a BLOB; any other as TEXT
	fingerprint     BLOB,
	status          INTEGER NOT NULL, -- 0 created, 1 pending, 2 processing, 3 completed, 4 failed, 5 expired, 6 cancelled
	version         INTEGER NOT NULL,
	created_at      INTEGER NOT NULL,
	expires_at      INTEGER NOT NULL,
	completed_at    INTEGER,
	amount          INTEGER NOT NULL, -- smallest unit of currency
	transaction_fee INTEGER NOT NULL, -- smallest unit of currency
	currency        TEXT    NOT NULL, -- ISO 4217
	payment_method  TEXT,             -- NULL: mobile_money
	user_phone      TEXT,             -- E.164
	payment_id      TEXT,
	customer_id     TEXT,
	description     TEXT,
	success_url     TEXT,
	cancel_url      TEXT,
	failure_reason  TEXT,
	late            INTEGER NOT NULL  -- 0 or 1
) STRICT;

-- UUIDv7s grow with time, so new entries are written at the end of this index.
CREATE UNIQUE INDEX checkout_sessions_id ON checkout_sessions (id);

-- This index is what makes creates idempotent: one session for each account, mode and key.
CREATE UNIQUE INDEX checkout_sessions_key ON checkout_sessions (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- For lists. It contains the status, which takes a byte or two, so that a filter by status reads only rows that pass.
CREATE INDEX checkout_sessions_newest ON checkout_sessions (owner, created_at, status);

-- Only sessions that can still expire. So this index is small: it has the sessions of the last hours.
CREATE INDEX checkout_sessions_due ON checkout_sessions (expires_at) WHERE status < 2;

-- For lists by payment: an operator's callback names only the payment.
CREATE INDEX checkout_sessions_payment ON checkout_sessions (owner, payment_id) WHERE payment_id IS NOT NULL;

-- For people, not for programs: it may change with any release. It shows the stored status. So a session that no sweep has
-- expired yet may still show as created or pending.
CREATE VIEW checkout_readable AS
SELECT
	CASE typeof(s.id) WHEN 'blob' THEN 'cs_' || CAST(substr(s.id, 17) AS TEXT) || '_' || lower(hex(substr(s.id, 1, 16))) ELSE s.id END AS id,
	a.account,
	a.test,
	CASE s.status WHEN 0 THEN 'created' WHEN 1 THEN 'pending' WHEN 2 THEN 'processing' WHEN 3 THEN 'completed'
		WHEN 4 THEN 'failed' WHEN 5 THEN 'expired' WHEN 6 THEN 'cancelled' ELSE s.status END AS status,
	s.version,
	datetime(s.created_at / 1000000, 'unixepoch') AS created_at,
	datetime(s.expires_at / 1000000, 'unixepoch') AS expires_at,
	datetime(s.completed_at / 1000000, 'unixepoch') AS completed_at,
	s.amount,
	s.transaction_fee,
	s.currency,
	coalesce(s.payment_method, 'mobile_money') AS payment_method,
	s.user_phone,
	s.payment_id,
	s.customer_id,
	s.description,
	s.failure_reason,
	s.late
FROM checkout_sessions AS s JOIN checkout_accounts AS a ON a.num = s.owner;
