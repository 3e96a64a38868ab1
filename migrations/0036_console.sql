-- Sign-in to the console: one-time links and sessions. Secrets are kept as SHA-256 alone, so that whoever reads the database signs in nowhere.

CREATE TABLE tollgate.console_link (
  token_hash   bytea PRIMARY KEY,
  name         text NOT NULL,                    -- stands beside every change of the session it opens
  role         text NOT NULL CHECK (role IN ('operator', 'viewer', 'finance', 'team-owner')),
  team_ids     text[],
  admin_key_id text REFERENCES tollgate.admin_key (id), -- it was made with, itself or in a session of it: revoked, the link opens nothing; null = by an identity provider's session
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  created_by   text NOT NULL,
  expires_at   timestamptz NOT NULL,
  used_at      timestamptz,                      -- it opened a session: it opens no other
  CHECK (CASE WHEN role = 'team-owner' THEN coalesce(cardinality(team_ids) > 0, false) ELSE team_ids IS NULL END)
);

CREATE TABLE tollgate.console_session (
  token_hash   bytea PRIMARY KEY,
  csrf_token   text NOT NULL,                    -- every change has to carry it beside the cookie
  name         text NOT NULL,
  role         text NOT NULL CHECK (role IN ('operator', 'viewer', 'finance', 'team-owner')),
  team_ids     text[],
  admin_key_id text REFERENCES tollgate.admin_key (id), -- revoked, it ends the session; null = of an identity provider
  way          text NOT NULL CHECK (way IN ('link', 'key', 'oidc')),
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(), -- to the minute
  expires_at   timestamptz NOT NULL,
  CHECK (CASE WHEN role = 'team-owner' THEN coalesce(cardinality(team_ids) > 0, false) ELSE team_ids IS NULL END)
);
CREATE INDEX console_session_expiry ON tollgate.console_session (expires_at);

-- A session that holds now: neither too old, nor left alone, nor of a key that was revoked.
CREATE VIEW tollgate.live_console_session AS
  SELECT s.* FROM tollgate.console_session s LEFT JOIN tollgate.admin_key k ON k.id = s.admin_key_id
  WHERE s.expires_at > clock_timestamp() AND s.last_seen_at > clock_timestamp() - interval '2 hours' AND k.revoked_at IS NULL;
