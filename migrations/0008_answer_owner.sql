-- Which team received an answer that the provider keeps (OpenAI responses): a later call may continue it only for that
-- team. All teams share the provider account, so the provider itself would hand it to anybody who knows the id.
ALTER TABLE tollgate.attempt ADD COLUMN answer_id text;
CREATE INDEX attempt_answer ON tollgate.attempt (answer_id) WHERE answer_id IS NOT NULL;
