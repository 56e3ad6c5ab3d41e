-- The endpoints to which events are sent. Times are microseconds since 1970, as in checkout_sessions.
CREATE TABLE checkout_webhooks (
	id              TEXT    PRIMARY KEY,
	account         TEXT    NOT NULL,
	test            INTEGER NOT NULL,
	url             TEXT    NOT NULL,
	events          TEXT    NOT NULL, -- a JSON array of types, or null for all
	description     TEXT    NOT NULL,
	status          TEXT    NOT NULL,
	disabled_reason TEXT    NOT NULL, -- '': none
	created_at      INTEGER NOT NULL,
	version         INTEGER NOT NULL, -- 1 when created, one more with every change
	secret          BLOB    NOT NULL, -- encrypted, if the host has set Config.Seal
	old_secret      BLOB,
	old_until       INTEGER,          -- until then old_secret signs too
	failures        INTEGER NOT NULL,
	failing_since   INTEGER,          -- the time of the first failure since the last success
	not_before      INTEGER           -- no delivery is tried earlier, unless it is forced
) STRICT;

CREATE UNIQUE INDEX checkout_webhooks_url ON checkout_webhooks (account, test, url);

-- The place in the feed of events up to which deliveries were planned. The table has one row.
CREATE TABLE checkout_webhook_position (
	id    INTEGER PRIMARY KEY CHECK (id = 1),
	place TEXT NOT NULL
) STRICT;
INSERT INTO checkout_webhook_position VALUES (1, '');

CREATE TABLE checkout_webhook_deliveries (
	num        INTEGER PRIMARY KEY,
	id         TEXT    NOT NULL,
	endpoint   TEXT    NOT NULL, -- checkout_webhooks.id
	event_id   TEXT    NOT NULL,
	event_type TEXT    NOT NULL,
	state      TEXT    NOT NULL,
	attempts   TEXT    NOT NULL, -- a JSON array
	due_at     INTEGER,          -- when it is tried next, or when its claim runs out; NULL unless pending
	created_at INTEGER NOT NULL,
	body       BLOB    NOT NULL,
	forced     INTEGER NOT NULL,
	once       INTEGER NOT NULL,
	lease      INTEGER NOT NULL  -- one more with every claim and every requeue
) STRICT;

CREATE UNIQUE INDEX checkout_webhook_deliveries_id ON checkout_webhook_deliveries (id);

-- For lists of an endpoint's deliveries, and for their removal with the endpoint.
CREATE INDEX checkout_webhook_deliveries_endpoint ON checkout_webhook_deliveries (endpoint, id);

-- For claims: only pending deliveries.
CREATE INDEX checkout_webhook_deliveries_due ON checkout_webhook_deliveries (endpoint, due_at, id) WHERE due_at IS NOT NULL;

-- For the removal of old deliveries that are no longer pending.
CREATE INDEX checkout_webhook_deliveries_over ON checkout_webhook_deliveries (created_at) WHERE due_at IS NULL;
