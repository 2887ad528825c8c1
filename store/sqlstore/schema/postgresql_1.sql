CREATE TABLE IF NOT EXISTS {api_keys} (
	id            TEXT COLLATE "C" PRIMARY KEY,
	owner         TEXT COLLATE "C" NOT NULL,
	name          TEXT NOT NULL,
	prefix        TEXT NOT NULL,
	last_four     TEXT NOT NULL,
	digest        BYTEA NOT NULL UNIQUE,
	scopes        TEXT NOT NULL, -- JSON array
	metadata      TEXT NOT NULL, -- JSON object
	created_at    TIMESTAMPTZ NOT NULL,
	expires_at    TIMESTAMPTZ,
	revoked_at    TIMESTAMPTZ,
	replaced_by   TEXT COLLATE "C" NOT NULL,
	last_used_at  TIMESTAMPTZ,
	last_addr     TEXT NOT NULL,
	uses          BIGINT NOT NULL,
	warned_within BIGINT -- microseconds before its end; NULL: not warned of
);

CREATE INDEX IF NOT EXISTS "{prefix}api_keys_owner" ON {api_keys} (owner, created_at, id);

CREATE INDEX IF NOT EXISTS "{prefix}api_keys_expires_at" ON {api_keys} (expires_at);

CREATE INDEX IF NOT EXISTS "{prefix}api_keys_created_at" ON {api_keys} (created_at);

-- A row is written to before the keys of its owner are counted, rotated or revoked: its lock makes them wait for each other.
CREATE TABLE IF NOT EXISTS {api_key_owners} (
	owner   TEXT COLLATE "C" PRIMARY KEY,
	changes BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS {once} (
	purpose TEXT COLLATE "C" NOT NULL,
	digest  BYTEA NOT NULL,
	ends_at TIMESTAMPTZ NOT NULL,
	PRIMARY KEY (purpose, digest)
);

CREATE INDEX IF NOT EXISTS "{prefix}once_ends_at" ON {once} (ends_at);
