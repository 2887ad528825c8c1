package storetest_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenVersions = []brokenStore{
	{"versions from 0", "Tokens/version_is_one_at_first", func(s *edited) any { return versionsFromZero{s} }},
	{"the version moves once", "Tokens/revoke_tokens_of_moves_the_version_on", versionsOf(func(v *versions, r *versionRow) { r.n, r.at = 2, v.now() })},
	{"a proof is not looked at", "Tokens/token_version_needs_a_later_proof", func(s *edited) any { return anyProof{s} }},
	{"the first revocation counts", "Tokens/last_revocation_counts_for_the_proof", versionsOf(func(v *versions, r *versionRow) {
		if r.n++; r.at.IsZero() {
			r.at = v.now()
		}
	})},
	{"an age below 0", "Tokens/proof_age_is_not_negative", versionsOf((*versions).move)},
	{"a later version lives", "Tokens/token_of_another_version_is_dead", func(s *edited) any { return laterLives{s} }},
	{"a later issue lives", "Tokens/token_of_another_version_is_dead", func(s *edited) any { return laterIssueLives{s} }},
	{"foreign tokens of the same second live", "Tokens/foreign_token_is_dead_by_its_issue", func(s *edited) any { return movesIssue{s, time.Second} }},
	{"foreign tokens of the next second are dead", "Tokens/foreign_token_is_dead_by_its_issue", func(s *edited) any { return movesIssue{s, -time.Second} }},
	{"foreign tokens live", "Tokens/foreign_token_is_dead_by_its_issue", func(s *edited) any { return movesIssue{s, 10_000 * time.Hour} }},
	{"a slow clock moves the revocation back", "Tokens/slow_clock_undoes_no_revocation", versionsOf((*versions).move)},
	{"subjects without case", "Tokens/subjects_compare_bytewise", subjectsAs(strings.ToLower)},
	{"subjects without trailing spaces", "Tokens/subjects_compare_bytewise", subjectsAs(func(subject string) string { return strings.TrimRight(subject, " ") })},
	{"subjects of 254 bytes", "Tokens/subjects_compare_bytewise", subjectsAs(func(subject string) string { return subject[:min(len(subject), 254)] })},
	{"subjects by their tags", "Tokens/subjects_of_one_tag_are_apart", subjectsAs(store.TagOf)},
	{"forgets versions", "Tokens/versions_are_never_forgotten", func(s *edited) any { return forgetsVersions{s} }},
	{"reads the version, then moves it", "Tokens/versions_add_up_in_a_race", versionsOf(func(v *versions, r *versionRow) {
		n := r.n
		v.mu.Unlock()
		v.wait()
		v.mu.Lock()
		r.n, r.at = n+1, v.now()
	})},
	{"looks at the proof, then reads the version", "Tokens/token_version_against_revoke", func(s *edited) any { return &proofFirst{edited: s} }},
	{"revokes subjects later", "Tokens/revoked_subject_stays_dead", func(s *edited) any { return revokesSubjectLater{s} }},
	{"looks at the version, then creates", "Tokens/create_family_against_revoke_all", func(s *edited) any { return &createsOutdated{edited: s} }},
}

type versionsFromZero struct{ *edited }

func (s versionsFromZero) TokenVersion(ctx context.Context, subject string, proofAge time.Duration) (int64, error) {
	v, err := s.edited.TokenVersion(ctx, subject, proofAge)
	return v - 1, err
}

type anyProof struct{ *edited }

func (s anyProof) TokenVersion(ctx context.Context, subject string, _ time.Duration) (int64, error) {
	return s.edited.TokenVersion(ctx, subject, 0)
}

// versions keeps what TokenVersion says beside the store, with a way to move
// it that may be wrong.
type versions struct {
	*edited
	meeting
	mu     sync.Mutex
	rows   map[string]*versionRow
	revoke func(v *versions, r *versionRow)
}

type versionRow struct {
	n  int64
	at time.Time
}

func versionsOf(revoke func(v *versions, r *versionRow)) func(*edited) any {
	return func(s *edited) any { return &versions{edited: s, rows: make(map[string]*versionRow), revoke: revoke} }
}

// move is right while the clock is, and while nobody asks with an age below 0.
func (v *versions) move(r *versionRow) { r.n, r.at = r.n+1, v.now() }

func (v *versions) row(subject string) *versionRow {
	if v.rows[subject] == nil {
		v.rows[subject] = &versionRow{n: 1}
	}
	return v.rows[subject]
}

func (v *versions) RevokeTokensOf(_ context.Context, subject string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.revoke(v, v.row(subject))
	return nil
}

func (v *versions) TokenVersion(_ context.Context, subject string, proofAge time.Duration) (int64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.row(subject)
	if !r.at.IsZero() && v.now().Sub(r.at) <= proofAge {
		return 0, store.ErrConflict
	}
	return r.n, nil
}

func (v *versions) TokenRevoked(_ context.Context, t store.TokenRef, _ time.Time) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.row(t.Subject); t.Version > 0 && t.Version != r.n || t.Version == 0 && !t.IssuedAt.After(r.at) {
		return store.TokenRevokedBySubject, nil
	}
	return "", nil
}

type laterLives struct{ *edited }

func (s laterLives) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	t.Version = min(t.Version, s.version(t.Subject))
	return s.edited.TokenRevoked(ctx, t, now)
}

// laterIssueLives takes a date for a version.
type laterIssueLives struct{ *edited }

func (s laterIssueLives) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	if t.Version < s.version(t.Subject) {
		t.Version = 0
	}
	return s.edited.TokenRevoked(ctx, t, now)
}

type movesIssue struct {
	*edited
	by time.Duration
}

func (s movesIssue) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	t.IssuedAt = t.IssuedAt.Add(s.by)
	return s.edited.TokenRevoked(ctx, t, now)
}

// otherSubjects takes one subject for another.
type otherSubjects struct {
	*edited
	as func(subject string) string
}

func subjectsAs(as func(subject string) string) func(*edited) any {
	return func(s *edited) any { return otherSubjects{s, as} }
}

func (s otherSubjects) RevokeTokensOf(ctx context.Context, subject string) error {
	return s.edited.RevokeTokensOf(ctx, s.as(subject))
}

func (s otherSubjects) TokenVersion(ctx context.Context, subject string, proofAge time.Duration) (int64, error) {
	return s.edited.TokenVersion(ctx, s.as(subject), proofAge)
}

func (s otherSubjects) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	if t.Family == "" { // the subjects of families are right
		t.Subject = s.as(t.Subject)
	}
	return s.edited.TokenRevoked(ctx, t, now)
}

// forgetsVersions deletes them as it deletes what has expired.
type forgetsVersions struct{ *edited }

func (s forgetsVersions) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	reason, err := s.edited.TokenRevoked(ctx, t, now)
	if reason == store.TokenRevokedBySubject && s.offset() > 1000*24*time.Hour {
		reason = ""
	}
	return reason, err
}

// proofFirst reads twice.
type proofFirst struct {
	*edited
	revocations atomic.Int64
}

func (s *proofFirst) RevokeTokensOf(ctx context.Context, subject string) error {
	defer s.revocations.Add(1)
	return s.edited.RevokeTokensOf(ctx, subject)
}

func (s *proofFirst) TokenVersion(ctx context.Context, subject string, proofAge time.Duration) (int64, error) {
	before := s.revocations.Load()
	if v, err := s.edited.TokenVersion(ctx, subject, proofAge); err != nil {
		return v, err
	}
	yieldUntil(func() bool { return s.revocations.Load() > before })
	return s.version(subject), nil
}

// revokesSubjectLater answers before it has revoked.
type revokesSubjectLater struct{ *edited }

func (s revokesSubjectLater) RevokeTokensOf(ctx context.Context, subject string) error {
	go func() {
		s.waitForReaders()
		_ = s.edited.RevokeTokensOf(ctx, subject)
	}()
	return nil
}

// createsOutdated inserts a family that a revocation has not seen.
type createsOutdated struct {
	*edited
	revocations atomic.Int64
}

func (s *createsOutdated) RevokeTokensOf(ctx context.Context, subject string) error {
	defer s.revocations.Add(1)
	return s.edited.RevokeTokensOf(ctx, subject)
}

func (s *createsOutdated) CreateFamily(ctx context.Context, f store.RefreshFamily) error {
	before := s.revocations.Load()
	if f.Version != s.version(f.Subject) {
		return store.ErrConflict
	}
	yieldUntil(func() bool { return s.revocations.Load() > before })
	seen := f.Version
	s.families.add(f.Ref.ID, func(row *store.RefreshFamily) { row.Version = seen })
	f.Version = s.version(f.Subject)
	return s.edited.CreateFamily(ctx, f)
}
