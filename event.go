package authn

import (
	"context"
	"log/slog"
	"net/netip"
	"time"
)

// EventKind says what happened.
type EventKind string

// Every EventKind of this module. A later version may add some.
const (
	// EventLogin and EventLogout are a session's or a refresh family's begin
	// and end.
	EventLogin  EventKind = "login"
	EventLogout EventKind = "logout"
	// EventFactorProven is a further factor at a login or a step-up.
	EventFactorProven EventKind = "factor_proven"
	// EventFactorAdded and EventFactorRemoved are about an enrolment.
	EventFactorAdded     EventKind = "factor_added"
	EventFactorRemoved   EventKind = "factor_removed"
	EventPasswordChanged EventKind = "password_changed"
	// EventAccepted is a request that was let through. Only Sunset and hosts
	// send it.
	EventAccepted EventKind = "accepted"
	// EventRefused is a bad or stale credential.
	EventRefused EventKind = "refused"
	// EventDenied is a good credential that a rule did not let pass.
	EventDenied EventKind = "denied"
	// EventOutage is a backend or the host's own code that failed;
	// EventRecovered is its end, where somebody watches for it.
	EventOutage    EventKind = "outage"
	EventRecovered EventKind = "recovered"
	// EventCreated, EventRotated, EventRevoked, EventExpiring and
	// EventFirstUse are about a credential.
	EventCreated  EventKind = "created"
	EventRotated  EventKind = "rotated"
	EventRevoked  EventKind = "revoked"
	EventExpiring EventKind = "expiring"
	EventFirstUse EventKind = "first_use"
	// EventRefreshed is a refresh token that was exchanged; EventReuse is a
	// spent one that came again.
	EventRefreshed EventKind = "refreshed"
	EventReuse     EventKind = "reuse"
	// EventLocked and EventUnlocked are about guessing at an account.
	EventLocked   EventKind = "locked"
	EventUnlocked EventKind = "unlocked"
	// EventLimited is the first refusal of a key and window.
	EventLimited EventKind = "limited"
	// EventWarning is something to look at: a corrupt record, a request
	// without a client address.
	EventWarning EventKind = "warning"
)

// Event is for an audit log. It holds no secret.
type Event struct {
	Kind EventKind
	At   time.Time
	// Subject is whom it is about, "" if unknown; SubjectKind what that names.
	Subject     string
	SubjectKind Kind
	// Name is a MAC of a login name that no subject has.
	Name string
	// Actor is the Subject of who did it, "" if unknown or the service itself.
	Actor string
	// Method is the one concerned: "apikey".
	Method string
	// CredentialID is that of the Identity: a key id, a token's jti.
	CredentialID string
	// Addr is the client's address, if there is a client.
	Addr netip.Addr
	// Reason is a word or two: "revoked".
	Reason string
	// ExpiresAt is of EventExpiring: when the credential ends.
	ExpiresAt time.Time
	// Err is the cause of an outage or a refusal.
	Err error
}

// EventFunc receives events, synchronously: within the request that caused
// them, from many goroutines at once. A panic in it lets nobody through.
type EventFunc func(ctx context.Context, e Event)

// Tee hands events to each of fs, in order. nil ones are left out.
func Tee(fs ...EventFunc) EventFunc {
	return func(ctx context.Context, e Event) {
		for _, f := range fs {
			if f != nil {
				f(ctx, e)
			}
		}
	}
}

// Slog writes each event as one record with the message "authn" and attributes,
// the first of which is event, the kind: outages at level Error; refusals, denials, reuse, locks,
// limits and warnings at Warn; the rest at Info. A nil l is slog.Default().
func Slog(l *slog.Logger) EventFunc {
	return func(ctx context.Context, e Event) {
		l := l
		if l == nil {
			l = slog.Default()
		}
		level := e.Kind.level()
		if !l.Enabled(ctx, level) {
			return
		}
		attrs := make([]slog.Attr, 0, 11)
		text := func(key, value string) {
			if value != "" {
				attrs = append(attrs, slog.String(key, value))
			}
		}
		text("event", string(e.Kind))
		text("subject", e.Subject)
		if e.SubjectKind != 0 {
			text("subject_kind", e.SubjectKind.String())
		}
		text("name_mac", e.Name)
		text("actor", e.Actor)
		text("method", e.Method)
		text("credential_id", e.CredentialID)
		if e.Addr.IsValid() {
			text("addr", e.Addr.String())
		}
		text("reason", e.Reason)
		if !e.ExpiresAt.IsZero() {
			attrs = append(attrs, slog.Time("expires_at", e.ExpiresAt))
		}
		if e.Err != nil {
			text("error", e.Err.Error())
		}
		l.LogAttrs(ctx, level, "authn", attrs...)
	}
}

func (k EventKind) level() slog.Level {
	switch k {
	case EventOutage:
		return slog.LevelError
	case EventRefused, EventDenied, EventReuse, EventLocked, EventLimited, EventWarning:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}
