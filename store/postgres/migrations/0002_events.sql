-- One row for each change of a session, written by the statement that makes the change. A create writes none: the session's
-- own row says it.
--
-- Numbers and transactions are drawn before the commit, so neither is commit order: who has read number 7 may have missed
-- number 6, which commits later. The feed is ordered by the transaction and then the number, and shows only what is older
-- than every transaction still under way. What comes later then has a greater transaction.
CREATE TABLE checkout_events (
    num            bigint      GENERATED ALWAYS AS IDENTITY,
    xid            xid8        NOT NULL DEFAULT pg_current_xact_id(),
    version        bigint      NOT NULL, -- of the session, after the change
    at             timestamptz NOT NULL, -- when the change was decided
    completed_at   timestamptz,
    late           boolean     NOT NULL,
    session        text COLLATE "C" NOT NULL,
    account        text COLLATE "C" NOT NULL,
    status         text COLLATE "C" NOT NULL,
    payment_id     text COLLATE "C",
    failure_reason text COLLATE "C" NOT NULL,
    CONSTRAINT checkout_events_pkey PRIMARY KEY (session, version)
);

CREATE INDEX checkout_events_feed ON checkout_events (xid, num);

-- What a session was before its first event: what its history begins with. Nothing until then. A null takes no room.
ALTER TABLE checkout_sessions
    ADD COLUMN updated_at           timestamptz, -- of the last change; null where there was none, or by an older program
    ADD COLUMN first_completed_at   timestamptz,
    ADD COLUMN first_version        bigint,      -- 1, or more where an older program had changed the session
    ADD COLUMN first_late           boolean,
    ADD COLUMN first_status         text COLLATE "C",
    ADD COLUMN first_payment_id     text COLLATE "C",
    ADD COLUMN first_failure_reason text COLLATE "C";
