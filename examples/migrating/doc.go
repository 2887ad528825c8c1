// Package migrating has what docs/migrating.md shows, compiled and run: each
// guide's new code, beside a stand-in for the library that it replaces. The
// stand-ins have the methods that are used, and no others.
package migrating
