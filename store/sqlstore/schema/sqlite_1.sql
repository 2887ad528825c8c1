CREATE TABLE IF NOT EXISTS {api_keys} (
	id            TEXT NOT NULL PRIMARY KEY,
	owner         TEXT NOT NULL,
	name          TEXT NOT NULL,
	prefix        TEXT NOT NULL,
	last_four     TEXT NOT NULL,
	digest        BLOB NOT NULL UNIQUE,
	scopes        TEXT NOT NULL, -- JSON array
	metadata      TEXT NOT NULL, -- JSON object
	created_at    TEXT NOT NULL, -- UTC, 2006-01-02 15:04:05.000000, as all times
	expires_at    TEXT,
	revoked_at    TEXT,
	replaced_by   TEXT NOT NULL,
	last_used_at  TEXT,
	last_addr     TEXT NOT NULL,
	uses          INTEGER NOT NULL,
	warned_within INTEGER -- microseconds before its end; NULL: not warned of
) STRICT;

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}api_keys_owner" ON "{prefix}api_keys" (owner, created_at, id);

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}api_keys_expires_at" ON "{prefix}api_keys" (expires_at);

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}api_keys_created_at" ON "{prefix}api_keys" (created_at);

-- A row is written to before the keys of its owner are counted, rotated or revoked, as in the other dialects.
CREATE TABLE IF NOT EXISTS {api_key_owners} (
	owner   TEXT NOT NULL PRIMARY KEY,
	changes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS {once} (
	purpose TEXT NOT NULL,
	digest  BLOB NOT NULL,
	ends_at TEXT NOT NULL,
	PRIMARY KEY (purpose, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS {schema.}"{prefix}once_ends_at" ON "{prefix}once" (ends_at);
