-- For lists by pending: those are few beside the sessions that were only created, which no index tells apart since each
-- create would have to write it. The expression is created_at of a pending session. It is one so that no other index can
-- serve the order of such a list. A mobile-money create writes nothing for it.
CREATE INDEX checkout_sessions_pending ON checkout_sessions (account, test, (CASE WHEN status = 'pending' THEN created_at END))
    WHERE status = 'pending';
