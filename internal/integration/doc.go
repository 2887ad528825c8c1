// Package integration holds the tests that need a real server: its test files
// run the store suite, and what the suite cannot see, on PostgreSQL, MariaDB,
// SQLite and Redis, the stores under load and faults, tokens against jose, codes
// against oathtool, logins at a certified OpenID provider, sessions in Chromium, and
// client certificates by curl, OpenSSL, nginx and HAProxy.
package integration
