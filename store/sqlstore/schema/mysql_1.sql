CREATE TABLE IF NOT EXISTS {api_keys} (
	id            VARBINARY(64) NOT NULL PRIMARY KEY,
	owner         VARBINARY(255) NOT NULL,
	name          VARCHAR(255) NOT NULL,
	prefix        VARCHAR(255) NOT NULL,
	last_four     VARCHAR(255) NOT NULL,
	digest        BINARY(32) NOT NULL,
	scopes        MEDIUMTEXT NOT NULL COMMENT 'JSON array',
	metadata      MEDIUMTEXT NOT NULL COMMENT 'JSON object',
	created_at    DATETIME(6) NOT NULL COMMENT 'UTC, as all times',
	expires_at    DATETIME(6) NULL,
	revoked_at    DATETIME(6) NULL,
	replaced_by   VARBINARY(64) NOT NULL,
	last_used_at  DATETIME(6) NULL,
	last_addr     VARCHAR(255) NOT NULL,
	uses          BIGINT NOT NULL,
	warned_within BIGINT NULL COMMENT 'microseconds before its end; NULL: not warned of',
	UNIQUE KEY digest (digest),
	KEY owner (owner, created_at, id),
	KEY expires_at (expires_at),
	KEY created_at (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS {api_key_owners} (
	owner   VARBINARY(255) NOT NULL PRIMARY KEY,
	changes BIGINT NOT NULL
) ENGINE=InnoDB COMMENT='written to before the keys of an owner are counted, rotated or revoked: the lock makes them wait for each other';

CREATE TABLE IF NOT EXISTS {once} (
	purpose VARBINARY(64) NOT NULL,
	digest  BINARY(32) NOT NULL,
	ends_at DATETIME(6) NOT NULL COMMENT 'UTC',
	PRIMARY KEY (purpose, digest),
	KEY ends_at (ends_at)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS {revoked_tokens} (
	digest     BINARY(32) NOT NULL PRIMARY KEY COMMENT 'of issuer and jti',
	subject    VARBINARY(255) NOT NULL,
	expires_at DATETIME(6) NOT NULL COMMENT 'UTC; of the token',
	KEY expires_at (expires_at)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS {refresh_families} (
	id         VARBINARY(64) NOT NULL PRIMARY KEY COMMENT 'sid of access tokens',
	tag        VARBINARY(8) NOT NULL COMMENT 'of the subject',
	subject    VARBINARY(255) NOT NULL,
	client_id  VARBINARY(255) NOT NULL,
	identity   MEDIUMTEXT NOT NULL COMMENT 'JSON object',
	scopes     MEDIUMTEXT NOT NULL COMMENT 'JSON array',
	audience   MEDIUMTEXT NOT NULL COMMENT 'JSON array',
	confirm    VARBINARY(64) NOT NULL COMMENT 'x5t#S256 of the client''s certificate',
	version    BIGINT NOT NULL COMMENT 'of the subject, as of the login',
	generation BIGINT NOT NULL,
	key_id     VARBINARY(16) NOT NULL,
	rotated_at DATETIME(6) NOT NULL COMMENT 'UTC, as all times',
	idle_until DATETIME(6) NOT NULL,
	expires_at DATETIME(6) NOT NULL,
	revoked_at DATETIME(6) NULL,
	KEY idle_until (idle_until)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS {token_subjects} (
	subject    VARBINARY(255) NOT NULL PRIMARY KEY,
	version    BIGINT NOT NULL COMMENT 'tokens and families of any other are dead',
	revoked_at DATETIME(6) NULL COMMENT 'UTC; when version was moved on last'
) ENGINE=InnoDB COMMENT='never deleted; a subject without a row has version 1 and was never revoked; its first refresh family makes the row';

CREATE TABLE IF NOT EXISTS {signing_keys} (
	id         VARBINARY(64) NOT NULL PRIMARY KEY COMMENT 'kid',
	position   BIGINT NOT NULL COMMENT 'the order in which they were added',
	algorithm  VARCHAR(255) NOT NULL,
	public_key BLOB NOT NULL COMMENT 'JWK',
	sealed_key BLOB NOT NULL COMMENT 'PKCS #8, encrypted by the application',
	created_at DATETIME(6) NOT NULL COMMENT 'UTC, as all times',
	sign_from  DATETIME(6) NOT NULL,
	sign_until DATETIME(6) NULL,
	expires_at DATETIME(6) NULL,
	UNIQUE KEY position (position),
	KEY expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS {sessions} (
	digest     BINARY(32) NOT NULL PRIMARY KEY COMMENT 'of the cookie',
	tag        VARBINARY(8) NOT NULL COMMENT 'of the subject, or random of nobody',
	id         VARBINARY(64) NOT NULL COMMENT 'public, stays when the cookie changes',
	subject    VARBINARY(255) NOT NULL COMMENT 'empty is nobody',
	identity   MEDIUMTEXT NOT NULL COMMENT 'JSON object',
	pending    BOOLEAN NOT NULL COMMENT 'it owes a factor',
	data       MEDIUMBLOB NOT NULL COMMENT 'JSON of the application, in UTF-8',
	revision   BIGINT NOT NULL COMMENT 'of data',
	remember   BOOLEAN NOT NULL COMMENT 'the cookie outlives the browser',
	user_agent VARCHAR(255) NOT NULL,
	addr       VARCHAR(255) NOT NULL,
	created_at DATETIME(6) NOT NULL COMMENT 'UTC, as all times',
	seen_at    DATETIME(6) NOT NULL,
	idle_until DATETIME(6) NOT NULL,
	expires_at DATETIME(6) NOT NULL,
	KEY subject (subject, created_at, id),
	KEY idle_until (idle_until)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS {session_subjects} (
	subject    VARBINARY(255) NOT NULL PRIMARY KEY,
	revoked_at DATETIME(6) NULL COMMENT 'UTC; when all sessions were revoked last: an older proof gives no new one'
) ENGINE=InnoDB COMMENT='locked before the sessions of a subject are created, rotated or revoked: that makes them wait for each other';

CREATE TABLE IF NOT EXISTS {passwords} (
	subject    VARBINARY(255) NOT NULL PRIMARY KEY,
	name       VARBINARY(255) NOT NULL COMMENT 'in lower case',
	hash       VARBINARY(1024) NOT NULL COMMENT 'empty is none',
	changes    BIGINT NOT NULL COMMENT 'of hash',
	created_at DATETIME(6) NOT NULL COMMENT 'UTC, as all times',
	changed_at DATETIME(6) NOT NULL,
	UNIQUE KEY name (name)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS {one_time_tokens} (
	digest     BINARY(32) NOT NULL PRIMARY KEY COMMENT 'of the secret',
	purpose    VARBINARY(64) NOT NULL,
	subject    VARBINARY(255) NOT NULL,
	bound      VARBINARY(512) NOT NULL COMMENT 'to an address, to a hash',
	created_at DATETIME(6) NOT NULL COMMENT 'UTC, as all times',
	expires_at DATETIME(6) NOT NULL,
	KEY subject (subject, purpose, expires_at),
	KEY expires_at (expires_at)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS {one_time_subjects} (
	subject VARBINARY(255) NOT NULL PRIMARY KEY,
	ends_at DATETIME(6) NOT NULL COMMENT 'UTC; of the last token: then the row may go',
	KEY ends_at (ends_at)
) ENGINE=InnoDB COMMENT='written to before the tokens of a subject are counted: the lock makes them wait for each other';

CREATE TABLE IF NOT EXISTS {limits} (
	id      BINARY(32) NOT NULL PRIMARY KEY COMMENT 'SHA-256 of policy and key',
	state   VARBINARY(4096) NOT NULL COMMENT 'times in microseconds',
	ends_at DATETIME(6) NOT NULL COMMENT 'UTC; when nothing is spent any more',
	KEY ends_at (ends_at)
) ENGINE=InnoDB COMMENT='one row for each counter; without it nothing was taken';

CREATE TABLE IF NOT EXISTS {attempts} (
	id      BINARY(64) NOT NULL PRIMARY KEY COMMENT 'SHA-256 of policy and key, then that of sub',
	state   VARBINARY(4096) NOT NULL,
	ends_at DATETIME(6) NOT NULL,
	KEY ends_at (ends_at)
) ENGINE=InnoDB COMMENT='as limits';

CREATE TABLE IF NOT EXISTS {totps} (
	subject           VARBINARY(255) NOT NULL PRIMARY KEY,
	changes           BIGINT NOT NULL COMMENT 'of the row',
	secret            VARBINARY(255) NOT NULL COMMENT 'encrypted by the application; empty is none',
	unconfirmed       VARBINARY(255) NOT NULL COMMENT 'as secret: waits for the first code',
	enrolled_at       DATETIME(6) NULL COMMENT 'UTC, as all times',
	begins_until      DATETIME(6) NULL COMMENT 'of unconfirmed',
	step              BIGINT NOT NULL COMMENT 'the time step of the last code',
	recovery          VARBINARY(512) NOT NULL COMMENT 'digests of unused recovery codes, 32 bytes each',
	device_epoch      BIGINT NOT NULL,
	code_row          BIGINT NOT NULL COMMENT 'wrong codes in a row',
	code_recent       BIGINT NOT NULL COMMENT 'and since code_recent_at',
	code_recent_at    DATETIME(6) NULL,
	code_wait_until   DATETIME(6) NULL,
	backup_row        BIGINT NOT NULL COMMENT 'the same of recovery codes',
	backup_recent     BIGINT NOT NULL,
	backup_recent_at  DATETIME(6) NULL,
	backup_wait_until DATETIME(6) NULL,
	ends_at           DATETIME(6) NULL COMMENT 'NULL: there is a secret',
	KEY ends_at (ends_at)
) ENGINE=InnoDB COMMENT='one row for each subject; what of it is left without a secret goes at ends_at, a year later';

CREATE TABLE IF NOT EXISTS {oauth_clients} (
	id           VARBINARY(255) NOT NULL PRIMARY KEY,
	name         VARCHAR(255) NOT NULL,
	auth_method  VARBINARY(64) NOT NULL COMMENT 'as of RFC 7591',
	secrets      TEXT NOT NULL COMMENT 'JSON array of digests and times, newest first',
	jwks         MEDIUMBLOB NOT NULL COMMENT 'JSON; empty is none',
	cert_subject VARCHAR(1024) NOT NULL,
	scopes       MEDIUMTEXT NOT NULL COMMENT 'JSON array',
	audience     MEDIUMTEXT NOT NULL COMMENT 'JSON array',
	serves       MEDIUMTEXT NOT NULL COMMENT 'JSON array',
	created_at   DATETIME(6) NOT NULL COMMENT 'UTC, as all times',
	disabled_at  DATETIME(6) NULL,
	revision     BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='service accounts; never deleted, so that no id gets a new owner';

CREATE TABLE IF NOT EXISTS {provider_tokens} (
	subject  VARBINARY(255) NOT NULL,
	provider VARBINARY(64) NOT NULL,
	sealed   BLOB NOT NULL COMMENT 'encrypted by the application',
	changes  BIGINT NOT NULL COMMENT 'of sealed',
	PRIMARY KEY (subject, provider)
) ENGINE=InnoDB COMMENT='tokens for the APIs of other providers';
