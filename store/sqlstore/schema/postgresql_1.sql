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

CREATE TABLE IF NOT EXISTS {revoked_tokens} (
	digest     BYTEA PRIMARY KEY, -- of issuer and jti
	subject    TEXT COLLATE "C" NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL -- of the token
);

CREATE INDEX IF NOT EXISTS "{prefix}revoked_tokens_expires_at" ON {revoked_tokens} (expires_at);

CREATE TABLE IF NOT EXISTS {refresh_families} (
	id         TEXT COLLATE "C" PRIMARY KEY, -- sid of access tokens
	tag        TEXT COLLATE "C" NOT NULL, -- of the subject
	subject    TEXT COLLATE "C" NOT NULL,
	client_id  TEXT COLLATE "C" NOT NULL,
	identity   TEXT NOT NULL, -- JSON object
	scopes     TEXT NOT NULL, -- JSON array
	audience   TEXT NOT NULL, -- JSON array
	confirm    TEXT COLLATE "C" NOT NULL, -- x5t#S256 of the client's certificate
	version    BIGINT NOT NULL, -- of the subject, as of the login
	generation BIGINT NOT NULL,
	key_id     TEXT COLLATE "C" NOT NULL,
	rotated_at TIMESTAMPTZ NOT NULL,
	idle_until TIMESTAMPTZ NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL,
	revoked_at TIMESTAMPTZ
);

CREATE INDEX IF NOT EXISTS "{prefix}refresh_families_idle_until" ON {refresh_families} (idle_until);

-- Never deleted. A subject without a row has version 1 and was never revoked; its first refresh family makes the row.
CREATE TABLE IF NOT EXISTS {token_subjects} (
	subject    TEXT COLLATE "C" PRIMARY KEY,
	version    BIGINT NOT NULL, -- tokens and families of any other are dead
	revoked_at TIMESTAMPTZ -- when version was moved on last
);

CREATE TABLE IF NOT EXISTS {signing_keys} (
	id         TEXT COLLATE "C" PRIMARY KEY, -- kid
	position   BIGINT NOT NULL UNIQUE, -- the order in which they were added
	algorithm  TEXT NOT NULL,
	public_key BYTEA NOT NULL, -- JWK
	sealed_key BYTEA NOT NULL, -- PKCS #8, encrypted by the application
	created_at TIMESTAMPTZ NOT NULL,
	sign_from  TIMESTAMPTZ NOT NULL,
	sign_until TIMESTAMPTZ,
	expires_at TIMESTAMPTZ
);

CREATE INDEX IF NOT EXISTS "{prefix}signing_keys_expires_at" ON {signing_keys} (expires_at);

CREATE TABLE IF NOT EXISTS {sessions} (
	digest     BYTEA PRIMARY KEY, -- of the cookie
	tag        TEXT COLLATE "C" NOT NULL, -- of the subject, or random of nobody
	id         TEXT COLLATE "C" NOT NULL, -- public, stays when the cookie changes
	subject    TEXT COLLATE "C" NOT NULL, -- '' is nobody
	identity   TEXT NOT NULL, -- JSON object
	pending    BOOLEAN NOT NULL, -- it owes a factor
	data       BYTEA NOT NULL, -- JSON of the application, in UTF-8
	revision   BIGINT NOT NULL, -- of data
	remember   BOOLEAN NOT NULL, -- the cookie outlives the browser
	user_agent TEXT NOT NULL,
	addr       TEXT NOT NULL,
	created_at TIMESTAMPTZ NOT NULL,
	seen_at    TIMESTAMPTZ NOT NULL,
	idle_until TIMESTAMPTZ NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX IF NOT EXISTS "{prefix}sessions_subject" ON {sessions} (subject, created_at, id);

CREATE INDEX IF NOT EXISTS "{prefix}sessions_idle_until" ON {sessions} (idle_until);

-- A row is locked before the sessions of its subject are created, rotated or revoked: that makes them wait for each other.
CREATE TABLE IF NOT EXISTS {session_subjects} (
	subject    TEXT COLLATE "C" PRIMARY KEY,
	revoked_at TIMESTAMPTZ -- when all sessions were revoked last: an older proof gives no new one
);

CREATE TABLE IF NOT EXISTS {passwords} (
	subject    TEXT COLLATE "C" PRIMARY KEY,
	name       TEXT COLLATE "C" NOT NULL UNIQUE, -- in lower case
	hash       TEXT COLLATE "C" NOT NULL, -- '' is none
	changes    BIGINT NOT NULL, -- of hash
	created_at TIMESTAMPTZ NOT NULL,
	changed_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE IF NOT EXISTS {one_time_tokens} (
	digest     BYTEA PRIMARY KEY, -- of the secret
	purpose    TEXT COLLATE "C" NOT NULL,
	subject    TEXT COLLATE "C" NOT NULL,
	bound      TEXT COLLATE "C" NOT NULL, -- to an address, to a hash
	created_at TIMESTAMPTZ NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX IF NOT EXISTS "{prefix}one_time_tokens_subject" ON {one_time_tokens} (subject, purpose, expires_at);

CREATE INDEX IF NOT EXISTS "{prefix}one_time_tokens_expires_at" ON {one_time_tokens} (expires_at);

-- A row is written to before the tokens of its subject are counted: its lock makes them wait for each other.
CREATE TABLE IF NOT EXISTS {one_time_subjects} (
	subject TEXT COLLATE "C" PRIMARY KEY,
	ends_at TIMESTAMPTZ NOT NULL -- of the last token: then the row may go
);

CREATE INDEX IF NOT EXISTS "{prefix}one_time_subjects_ends_at" ON {one_time_subjects} (ends_at);

-- One row for each counter. Without it nothing was taken.
CREATE TABLE IF NOT EXISTS {limits} (
	id      BYTEA PRIMARY KEY, -- SHA-256 of policy and key
	state   BYTEA NOT NULL, -- times in microseconds
	ends_at TIMESTAMPTZ NOT NULL -- when nothing is spent any more
);

CREATE INDEX IF NOT EXISTS "{prefix}limits_ends_at" ON {limits} (ends_at);

-- As limits. The rows of a policy and key are next to each other.
CREATE TABLE IF NOT EXISTS {attempts} (
	id      BYTEA PRIMARY KEY, -- SHA-256 of policy and key, then that of sub
	state   BYTEA NOT NULL,
	ends_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX IF NOT EXISTS "{prefix}attempts_ends_at" ON {attempts} (ends_at);

-- One row for each subject. What of it is left without a secret goes at ends_at, a year later.
CREATE TABLE IF NOT EXISTS {totps} (
	subject           TEXT COLLATE "C" PRIMARY KEY,
	changes           BIGINT NOT NULL, -- of the row
	secret            BYTEA NOT NULL, -- encrypted by the application; empty is none
	unconfirmed       BYTEA NOT NULL, -- as secret: waits for the first code
	enrolled_at       TIMESTAMPTZ,
	begins_until      TIMESTAMPTZ, -- of unconfirmed
	step              BIGINT NOT NULL, -- the time step of the last code
	recovery          BYTEA NOT NULL, -- digests of unused recovery codes, 32 bytes each
	device_epoch      BIGINT NOT NULL,
	code_row          BIGINT NOT NULL, -- wrong codes in a row
	code_recent       BIGINT NOT NULL, -- and since code_recent_at
	code_recent_at    TIMESTAMPTZ,
	code_wait_until   TIMESTAMPTZ,
	backup_row        BIGINT NOT NULL, -- the same of recovery codes
	backup_recent     BIGINT NOT NULL,
	backup_recent_at  TIMESTAMPTZ,
	backup_wait_until TIMESTAMPTZ,
	ends_at           TIMESTAMPTZ -- NULL: there is a secret
);

CREATE INDEX IF NOT EXISTS "{prefix}totps_ends_at" ON {totps} (ends_at);

-- Service accounts. Never deleted, so that no id gets a new owner.
CREATE TABLE IF NOT EXISTS {oauth_clients} (
	id           TEXT COLLATE "C" PRIMARY KEY,
	name         TEXT NOT NULL,
	auth_method  TEXT COLLATE "C" NOT NULL, -- as of RFC 7591
	secrets      TEXT NOT NULL, -- JSON array of digests and times, newest first
	jwks         BYTEA NOT NULL, -- JSON; empty is none
	cert_subject TEXT NOT NULL,
	scopes       TEXT NOT NULL, -- JSON array
	audience     TEXT NOT NULL, -- JSON array
	serves       TEXT NOT NULL, -- JSON array
	created_at   TIMESTAMPTZ NOT NULL,
	disabled_at  TIMESTAMPTZ,
	revision     BIGINT NOT NULL
);

-- Tokens for the APIs of other providers.
CREATE TABLE IF NOT EXISTS {provider_tokens} (
	subject  TEXT COLLATE "C" NOT NULL,
	provider TEXT COLLATE "C" NOT NULL,
	sealed   BYTEA NOT NULL, -- encrypted by the application
	changes  BIGINT NOT NULL, -- of sealed
	PRIMARY KEY (subject, provider)
);
