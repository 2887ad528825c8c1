package main

import (
	"context"
	"log"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
)

// record keeps what happened to an account, for its owner's eyes. It is an
// authn.EventFunc: within the request that caused the event, and not ended with it.
// What can be provoked without end, by a key that is good no more, is kept once a
// minute: it must neither fill the table nor push the rest off the page. Nothing is
// kept of who is gone.
func (u *users) record(ctx context.Context, e authn.Event) {
	if e.Subject == "" || e.Kind == authn.EventOutage {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	addr := ""
	if e.Addr.IsValid() {
		addr = e.Addr.String()
	}
	since := e.At
	if e.Kind == authn.EventRefused || e.Kind == authn.EventDenied {
		since = e.At.Add(-time.Minute)
	}
	_, err := u.db.ExecContext(ctx, `INSERT INTO events (user_id, at, kind, method, reason, addr) SELECT $1, $2, $3, $4, $5, $6
		WHERE EXISTS (SELECT 1 FROM users WHERE id = $1) AND NOT EXISTS (SELECT 1 FROM events
			WHERE user_id = $1 AND at > $7 AND kind = $3 AND method = $4 AND reason = $5 AND addr = $6)`,
		e.Subject, e.At.UnixMicro(), e.Kind, e.Method, e.Reason, addr, since.UnixMicro())
	if err != nil {
		log.Print("activity: ", err) // slog has the event itself
	}
}

// entry is one line of the page.
type entry struct {
	At                         time.Time
	Kind, Method, Reason, Addr string
}

// Bad says that the owner should look at it.
func (e entry) Bad() bool {
	switch authn.EventKind(e.Kind) {
	case authn.EventRefused, authn.EventLocked, authn.EventReuse, authn.EventDenied:
		return true
	}
	return false
}

// What it is, in the words of people.
func (e entry) What() string {
	if s := words[e.Method+" "+e.Kind]; s != "" {
		return s
	}
	if s := words[e.Kind]; s != "" {
		return s
	}
	return e.Method + ": " + e.Kind
}

var words = map[string]string{
	"login":                "Signed in",
	"logout":               "Signed out",
	"factor_proven":        "Proved it again",
	"totp factor_proven":   "Used a recovery code",
	"factor_added":         "Turned two-step sign-in on",
	"factor_removed":       "Turned two-step sign-in off",
	"password_changed":     "Changed the password",
	"password refused":     "Wrong password",
	"totp refused":         "Wrong code",
	"totp rotated":         "Made new recovery codes",
	"totp revoked":         "Forgot the trusted browsers",
	"session refused":      "A session that had ended was used",
	"apikey refused":       "An API key that is no longer good was used",
	"apikey created":       "Created an API key",
	"apikey rotated":       "Rotated an API key",
	"apikey revoked":       "Revoked an API key",
	"apikey first_use":     "An API key was used for the first time",
	"apikey expiring":      "An API key is about to end",
	"session revoked":      "Ended sessions",
	"denied":               "Was not allowed",
	"locked":               "Locked after too many attempts",
	"unlocked":             "Unlocked",
	"oauth created":        "Linked another account",
	"oauth factor_removed": "Unlinked another account",
	"limited":              "Too many requests",
}

func (u *users) events(ctx context.Context, id string) ([]entry, error) {
	rows, err := u.db.QueryContext(ctx, `SELECT at, kind, method, reason, addr FROM events WHERE user_id = $1 ORDER BY at DESC LIMIT 100`, id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []entry
	for rows.Next() {
		var e entry
		var at int64
		if err := rows.Scan(&at, &e.Kind, &e.Method, &e.Reason, &e.Addr); err != nil {
			return nil, err
		}
		e.At = time.UnixMicro(at)
		list = append(list, e)
	}
	return list, rows.Err()
}

func (a *app) activity(w http.ResponseWriter, r *http.Request) {
	list, err := a.users.events(r.Context(), who(r).Subject)
	if a.failed(w, r, err) {
		return
	}
	a.show(w, r, http.StatusOK, "activity", list)
}
