-- One row is one session with its idempotency key and the fingerprint of its request: they appear together or not at all.
--
-- Columns of fixed width come first, so that nothing is lost to alignment. COLLATE "C" orders text by its bytes, as the
-- list's contract says, and keeps indexes sound when an operating system changes its collations.
CREATE TABLE checkout_sessions (
    amount          bigint      NOT NULL, -- in the smallest unit of the currency, as the fee
    transaction_fee bigint      NOT NULL,
    version         bigint      NOT NULL, -- 1 when created, one more with every change
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    completed_at    timestamptz,
    -- When the clock alone will move the session to expired; null once it cannot. Being a column of its own it can be
    -- indexed without an index on the status: an update that changes no indexed column touches no index at all.
    due_at          timestamptz GENERATED ALWAYS AS (CASE WHEN status IN ('created', 'pending') THEN expires_at END) STORED,
    test            boolean     NOT NULL,
    late            boolean     NOT NULL,
    id              text COLLATE "C" NOT NULL,
    account         text COLLATE "C" NOT NULL,
    idempotency_key text COLLATE "C",          -- null where the session was created without one
    payment_id      text COLLATE "C",          -- null until the host tells it
    status          text COLLATE "C" NOT NULL,
    currency        text COLLATE "C" NOT NULL,
    payment_method  text COLLATE "C" NOT NULL,
    user_phone      text COLLATE "C" NOT NULL, -- this and the rest: '' where there is none
    customer_id     text COLLATE "C" NOT NULL,
    description     text COLLATE "C" NOT NULL,
    success_url     text COLLATE "C" NOT NULL,
    cancel_url      text COLLATE "C" NOT NULL,
    failure_reason  text COLLATE "C" NOT NULL,
    fingerprint     bytea       NOT NULL,
    CONSTRAINT checkout_sessions_pkey PRIMARY KEY (id),
    -- The whole of the idempotency mechanism. Null keys are all different.
    CONSTRAINT checkout_sessions_key UNIQUE (account, test, idempotency_key)
) WITH (fillfactor = 80); -- room for the next version of a row beside it

-- For lists, read backwards; sessions of one instant are then sorted by id. Nothing in it ever changes.
CREATE INDEX checkout_sessions_list ON checkout_sessions (account, test, created_at);

-- For lists by payment: an operator's callback names the payment.
CREATE INDEX checkout_sessions_payment ON checkout_sessions (account, test, payment_id) WHERE payment_id IS NOT NULL;

-- For the sweep: only what can still expire, the longest due first.
CREATE INDEX checkout_sessions_due ON checkout_sessions (due_at, id) WHERE due_at IS NOT NULL;
