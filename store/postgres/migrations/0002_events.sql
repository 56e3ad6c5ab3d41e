-- One row for each change of a session, written by the statement that makes the change. A create writes no row here, because
-- the session's own row shows it. Columns that never change in a session are not repeated here, except the account: with it,
-- a table of sessions that is partitioned by account can be joined.
--
-- Numbers and transaction IDs are assigned before the commit, so neither follows the order of commits. A reader that has read
-- number 7 may have missed number 6, which commits later. So the feed is ordered by transaction and then by number, and it
-- shows only rows of transactions that are older than every transaction still under way. All rows that appear later then have a
-- greater transaction ID.
CREATE TABLE checkout_events (
    num            bigint      GENERATED ALWAYS AS IDENTITY,
    xid            xid8,                 -- null: a state without an event, which an earlier revision stored here; only the history shows it
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

-- A create leaves all of these columns null, except those that the merchant has given. A null takes no space. With these
-- columns the null bitmap of a row grows from three bytes to four, but the row's header stays at 32 bytes. No row is
-- rewritten, and older programs continue to work.
ALTER TABLE checkout_sessions
    ADD COLUMN updated_at       timestamptz,      -- of the last change that has an event
    ADD COLUMN logged_version   bigint,           -- of the last event; if version differs, an older program has made the last change
    ADD COLUMN first_status     text COLLATE "C", -- the status at creation, if a change has replaced it
    ADD COLUMN first_payment_id text COLLATE "C",
    ADD COLUMN unlogged         jsonb,            -- an array of earlier states, which older programs made without an event
    ADD COLUMN client_reference text COLLATE "C", -- the merchant's own name for the payment
    ADD COLUMN metadata         text COLLATE "C"; -- a JSON object of strings; not jsonb, because no query looks into it
