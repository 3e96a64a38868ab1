-- Which team received the items of answers that the provider keeps (OpenAI responses: messages, reasoning, tool calls): a
-- later call may name them instead of sending them, for that team only. Filled by settle_chunk (0004) from rows that carry
-- ids. No money hangs on it, so the hash chain does not cover it.
CREATE TABLE tollgate.answer_item (
  item_id text NOT NULL CHECK (length(item_id) BETWEEN 1 AND 128),
  team_id text NOT NULL,
  at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (item_id, team_id)
);
