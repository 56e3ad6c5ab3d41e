-- One row for each change of a session, written by the statement that makes the change. A create writes none: the session's
-- own row says it. What never changes in a session is not repeated here. The account is, so that a table of sessions that
-- is partitioned by it can be joined.
--
-- Numbers and transactions are drawn before the commit, so neither is commit order: who has read number 7 may have missed
-- number 6, which commits later. The feed is ordered by the transaction and then the number, and shows only what is older
-- than every transaction still under way. What comes later then has a greater transaction.
CREATE TABLE checkout_events (
    num            bigint      GENERATED ALWAYS AS IDENTITY,
    xid            xid8,                 -- null: a change that an older program made without its event, known to the history
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

-- A create leaves all of these null, but for what the merchant gave. A null takes no room: with them the null bitmap has
-- four bytes for three, and the header of a row is 32 bytes as before. No row is rewritten, and an older program goes on.
ALTER TABLE checkout_sessions
    ADD COLUMN updated_at       timestamptz,      -- of the last change that has an event
    ADD COLUMN logged_version   bigint,           -- of the last event; another version was made by an older program
    ADD COLUMN first_status     text COLLATE "C", -- what the session was created with, once a change has replaced it
    ADD COLUMN first_payment_id text COLLATE "C",
    ADD COLUMN unlogged         jsonb,            -- the state before the last change, where it had no event
    ADD COLUMN client_reference text COLLATE "C", -- the merchant's own
    ADD COLUMN metadata         text COLLATE "C"; -- a JSON object of strings; text, since nobody asks for what is in it
