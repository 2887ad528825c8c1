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
