package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
)

// note is what this application is about.
type note struct {
	ID   string    `json:"id"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

const maxNote = 1000

func (u *users) notes(ctx context.Context, id string) ([]note, error) {
	rows, err := u.db.QueryContext(ctx, `SELECT id, text, at FROM notes WHERE user_id = $1 ORDER BY at DESC LIMIT 50`, id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	list := []note{}
	for rows.Next() {
		var n note
		var at int64
		if err := rows.Scan(&n.ID, &n.Text, &at); err != nil {
			return nil, err
		}
		n.At = time.UnixMicro(at)
		list = append(list, n)
	}
	return list, rows.Err()
}

func (u *users) addNote(ctx context.Context, id, text string) (note, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxNote {
		return note{}, authn.Malformed("a note has 1 to 1000 bytes", nil)
	}
	n := note{rand.Text(), text, time.Now()}
	_, err := u.db.ExecContext(ctx, `INSERT INTO notes (id, user_id, text, at) VALUES ($1, $2, $3, $4)`, n.ID, id, n.Text, n.At.UnixMicro())
	return n, err
}

func (u *users) deleteNote(ctx context.Context, id, noteID string) error {
	_, err := u.db.ExecContext(ctx, `DELETE FROM notes WHERE user_id = $1 AND id = $2`, id, noteID)
	return err
}

// home is the notes, or for a visitor what this is.
func (a *app) home(w http.ResponseWriter, r *http.Request) {
	id, ok := authn.FromContext(r.Context())
	if !ok {
		a.show(w, r, http.StatusOK, "welcome", nil)
		return
	}
	notes, err := a.users.notes(r.Context(), id.Subject)
	if a.failed(w, r, err) {
		return
	}
	a.show(w, r, http.StatusOK, "notes", notes)
}

func (a *app) addNote(w http.ResponseWriter, r *http.Request) {
	_, err := a.users.addNote(r.Context(), who(r).Subject, r.PostFormValue("text"))
	a.done(w, r, "/", err)
}

func (a *app) deleteNote(w http.ResponseWriter, r *http.Request) {
	a.done(w, r, "/", a.users.deleteNote(r.Context(), who(r).Subject, r.PathValue("id")))
}

// apiNotes and apiAddNote are for programs, by API key.
func (a *app) apiNotes(w http.ResponseWriter, r *http.Request) {
	notes, err := a.users.notes(r.Context(), who(r).Subject)
	if err != nil {
		authn.WriteError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"notes": notes})
}

func (a *app) apiAddNote(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Text string `json:"text"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4*maxNote)).Decode(&body); err != nil {
		authn.WriteError(w, r, authn.Malformed("body", err))
		return
	}
	n, err := a.users.addNote(r.Context(), who(r).Subject, body.Text)
	if err != nil {
		authn.WriteError(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, n)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone is nobody's error
}
