package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"

	"golang.org/x/oauth2"
)

// shot is a request: for the orders with a token, or for a token. When it began and
// ended is by traffic's counter, so that what was before what is beyond doubt.
type shot struct {
	client       string
	kid          string // of the key that signed its token; "" of one for a token
	began, ended int64
	status       int // 0: no answer
}

// span is from when something was asked for until it was answered.
type span struct{ asked, answered int64 }

// traffic is what clients send meanwhile.
type traffic struct {
	tick  atomic.Int64
	round atomic.Int64 // in each one, everybody gets another token
	shots chan shot
	seen  []shot
}

// enough requests are sent before something is done, and after it.
const enough = 400

// during does something while requests are under way.
func (t *traffic) during(ctx context.Context, do func() error) (s span, err error) {
	if err := t.watch(ctx, enough); err != nil {
		return span{}, err
	}
	done := make(chan error, 1)
	go func() {
		s.asked = t.tick.Add(1)
		err := do()
		s.answered = t.tick.Add(1)
		t.round.Add(1)
		done <- err
	}()
	for {
		select {
		case shot := <-t.shots:
			t.seen = append(t.seen, shot)
		case err := <-done:
			return s, errors.Join(err, t.watch(ctx, enough))
		}
	}
}

// watch sees n requests.
func (t *traffic) watch(ctx context.Context, n int) error {
	for range n {
		select {
		case shot := <-t.shots:
			t.seen = append(t.seen, shot)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// send is one hand of a client: it uses all tokens that it ever got in turn, until
// ctx ends.
func (t *traffic) send(ctx context.Context, w *worker) {
	type held struct {
		kid    string
		client *http.Client
	}
	var tokens []held
	last := int64(-1)
	for n := 0; ctx.Err() == nil; n++ {
		s := shot{client: w.config.ClientID, began: t.tick.Add(1)}
		if round := t.round.Load(); round != last {
			last = round
			token, err := w.config.Token(w.context(ctx))
			if err == nil {
				client := oauth2.NewClient(w.context(ctx), oauth2.StaticTokenSource(token))
				tokens = append(tokens, held{kidOf(token.AccessToken), client})
				s.status = http.StatusOK
			} else if e := (*oauth2.RetrieveError)(nil); errors.As(err, &e) {
				s.status = e.Response.StatusCode
			}
		} else if len(tokens) > 0 {
			with := tokens[n%len(tokens)]
			s.kid = with.kid
			if status, _, err := w.list(ctx, with.client); err == nil {
				s.status = status
			}
		}
		s.ended = t.tick.Add(1)
		select {
		case t.shots <- s:
		case <-ctx.Done():
		}
	}
}

// kidOf is the id of the key that signed a token.
func kidOf(token string) string {
	head, _, _ := strings.Cut(token, ".")
	text, _ := base64.RawURLEncoding.DecodeString(head)
	var header struct{ Kid string }
	_ = json.Unmarshal(text, &header) // what is no token has none
	return header.Kid
}
