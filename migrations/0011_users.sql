-- Readable names of users. Ledger, keys and budgets know a user by an id alone: the hash chain covers it, so it stays. The name
-- stands here and nowhere else, so that it can be taken away.
CREATE TABLE tollgate.user_name (
  user_id  text PRIMARY KEY CHECK (length(user_id) BETWEEN 1 AND 128),
  name     text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  named_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  named_by text NOT NULL
);
