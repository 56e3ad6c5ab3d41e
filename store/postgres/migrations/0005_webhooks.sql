-- The endpoints to which events are sent, up to 16 for an account and mode. Each endpoint takes a slot of its own. So endpoints that are
-- created at once cannot exceed the limit, and no lock is needed.
CREATE TABLE checkout_webhooks (
    version         bigint      NOT NULL, -- 1 at creation, then one more with every change
    created_at      timestamptz NOT NULL,
    old_until       timestamptz,          -- until then old_secret signs too
    failing_since   timestamptz,          -- the time of the first failure since the last success
    not_before      timestamptz,          -- no delivery is tried earlier, except a forced one
    failures        integer     NOT NULL,
    slot            integer     NOT NULL,
    test            boolean     NOT NULL,
    id              text COLLATE "C" NOT NULL,
    account         text COLLATE "C" NOT NULL,
    url             text COLLATE "C" NOT NULL,
    status          text COLLATE "C" NOT NULL,
    disabled_reason text COLLATE "C" NOT NULL, -- '': none
    description     text COLLATE "C" NOT NULL,
    events          text COLLATE "C" NOT NULL, -- a JSON array of types, or the JSON value null for all
    secret          bytea       NOT NULL, -- encrypted, if the host encrypts it
    old_secret      bytea,
    url_digest      bytea       NOT NULL, -- SHA-256 of url, which may be longer than an index takes
    CONSTRAINT checkout_webhooks_pkey PRIMARY KEY (id),
    CONSTRAINT checkout_webhooks_slot UNIQUE (account, test, slot),
    CONSTRAINT checkout_webhooks_url UNIQUE (account, test, url_digest)
);

-- The place in the feed of events up to which deliveries were planned. One row.
CREATE TABLE checkout_webhook_position (
    id    integer          NOT NULL PRIMARY KEY CHECK (id = 1),
    place text COLLATE "C" NOT NULL
);
INSERT INTO checkout_webhook_position VALUES (1, '');

CREATE TABLE checkout_webhook_deliveries (
    created_at timestamptz NOT NULL,
    due_at     timestamptz,          -- the time of the next try, or the end of a claim; null unless pending
    lease      bigint      NOT NULL, -- a count of its claims and requeues
    forced     boolean     NOT NULL,
    once       boolean     NOT NULL,
    id         text COLLATE "C" NOT NULL,
    endpoint   text COLLATE "C" NOT NULL REFERENCES checkout_webhooks ON DELETE CASCADE,
    event_id   text COLLATE "C" NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    state      text COLLATE "C" NOT NULL,
    attempts   text COLLATE "C" NOT NULL, -- a JSON array
    body       bytea       NOT NULL,
    CONSTRAINT checkout_webhook_deliveries_pkey PRIMARY KEY (id)
);

-- For lists of an endpoint's deliveries, and for their removal with the endpoint.
CREATE INDEX checkout_webhook_deliveries_endpoint ON checkout_webhook_deliveries (endpoint, id);

-- For claims: only pending deliveries.
CREATE INDEX checkout_webhook_deliveries_due ON checkout_webhook_deliveries (endpoint, due_at, id) WHERE due_at IS NOT NULL;

-- For the removal of old deliveries that are no longer pending.
CREATE INDEX checkout_webhook_deliveries_over ON checkout_webhook_deliveries (created_at) WHERE due_at IS NULL;
