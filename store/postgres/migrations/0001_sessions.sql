-- One row is one session with its idempotency key and the fingerprint of its request. So they appear together or not at all.
--
-- Columns of fixed width come first, so that alignment wastes no space. COLLATE "C" orders text by its bytes, as lists need it.
-- An index on such a text stays valid when an operating system changes its collations.
CREATE TABLE checkout_sessions (
    amount          bigint      NOT NULL, -- in the smallest unit of the currency, like the fee
    transaction_fee bigint      NOT NULL,
    version         bigint      NOT NULL, -- 1 at creation, then one more with every change
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    completed_at    timestamptz,
    -- When the session will expire; null if it no longer can. As a column of its own it can be indexed without an index on
    -- the status. An update that changes no indexed column writes no index at all.
    due_at          timestamptz GENERATED ALWAYS AS (CASE WHEN status IN ('created', 'pending') THEN expires_at END) STORED,
    test            boolean     NOT NULL,
    late            boolean     NOT NULL,
    id              text COLLATE "C" NOT NULL,
    account         text COLLATE "C" NOT NULL,
    idempotency_key text COLLATE "C",          -- null if the session was created without one
    payment_id      text COLLATE "C",          -- null until the host sets it
    status          text COLLATE "C" NOT NULL,
    currency        text COLLATE "C" NOT NULL,
    payment_method  text COLLATE "C" NOT NULL,
    user_phone      text COLLATE "C" NOT NULL, -- this and the texts below: '' if there is none
    customer_id     text COLLATE "C" NOT NULL,
    description     text COLLATE "C" NOT NULL,
    success_url     text COLLATE "C" NOT NULL,
    cancel_url      text COLLATE "C" NOT NULL,
    failure_reason  text COLLATE "C" NOT NULL,
    fingerprint     bytea       NOT NULL,
    CONSTRAINT checkout_sessions_pkey PRIMARY KEY (id),
    -- This constraint is what makes creates idempotent. Null keys are all different.
    CONSTRAINT checkout_sessions_key UNIQUE (account, test, idempotency_key)
) WITH (fillfactor = 80); -- leaves room for the next version of a row on the same page

-- For lists, which read it backwards and then sort the sessions of one instant by id. Its columns never change.
-- 0006_created.sql and 0007_waiting.sql replace it.
CREATE INDEX checkout_sessions_list ON checkout_sessions (account, test, created_at);

-- For lists by payment: an operator's callback names the payment.
CREATE INDEX checkout_sessions_payment ON checkout_sessions (account, test, payment_id) WHERE payment_id IS NOT NULL;

-- For the sweep: only sessions that can still expire, those that have been due for longest first.
CREATE INDEX checkout_sessions_due ON checkout_sessions (due_at, id) WHERE due_at IS NOT NULL;
