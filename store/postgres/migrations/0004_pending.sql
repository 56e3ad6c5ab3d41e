-- For lists of pending sessions, which are few among those that are still created. The indexed expression is the created_at
-- of a pending session. It is an expression so that the planner cannot use another index for the order of such a list. A
-- create for mobile money writes nothing for this index. 0007_waiting.sql replaces it.
CREATE INDEX checkout_sessions_pending ON checkout_sessions (account, test, (CASE WHEN status = 'pending' THEN created_at END))
    WHERE status = 'pending';
