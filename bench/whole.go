package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/httprate"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/store/memstore"
)

// Whole requests come over so many connections that are kept alive; an op is so
// many of each.
const (
	connections  = 16
	perOp        = 64
	bareAPI      = "bare handler"
	wholeAtMost  = 1 / 0.9 // of the time of the bare handler
	answerLength = 300

	wholePrefix    = "GET over loopback, "
	wholeSession   = "session"
	requireSession = "Require(session)"
	scsWhole       = "scs LoadAndSave, GetString"
)

// wholeRequests are those of programs over TCP at servers of net/http, all in this
// process and on all processors, by wall time. So the client's time counts as the
// server's does, and hides what a middleware costs: it is as little as it can be,
// a request that is written down already and an answer that is skipped. The bare
// handler gets the same bytes: to read a credential's field is the server's work.
func wholeRequests(wanted func(name string) bool) (rows []row) {
	add := func(with string, field fieldOf, ours string, h http.Handler, peers ...served) {
		r := row{name: wholePrefix + with, wall: true, requests: connections * perOp, promises: faster("Q9", ours, wholeAtMost, bareAPI)}
		if !wanted(r.name) {
			return
		}
		for _, s := range append([]served{{bareAPI, api, field}, {ours, h, field}}, peers...) {
			r.contenders = append(r.contenders, contender{s.name, s.loopback()})
		}
		rows = append(rows, r)
	}
	st := memstore.New(memstore.Config{})

	keys := authn.Must(apikey.New(st, apikey.Config{Prefix: "acme_live"}))
	add("API key", func(client int) string {
		key, err := keys.Create(context.Background(), fmt.Sprint("client", client), apikey.Spec{})
		if err != nil {
			panic(err)
		}
		return "X-API-Key: " + key.Secret.Reveal()
	}, "Require(apikey)", authn.Require(keys)(api))

	for _, alg := range []string{"HS256", "ES256"} {
		k := newKey(alg)
		field := func(int) string { return "Authorization: Bearer " + k.token() }
		add("JWT "+alg, field, "Require(jwtauth)", authn.Require(k.verifier(st, false))(api),
			served{"go-jwt-middleware", auth0Middleware(k).CheckJWT(api), field})
	}

	ours, other := sessionManager(memory(), nil), scsManager(scs.New())
	cookie := func(l library) fieldOf {
		return func(client int) string { return "Cookie: " + l.cookies[client].Name + "=" + l.cookies[client].Value }
	}
	add(wholeSession, cookie(ours.library), requireSession, authn.Require(ours.manager)(api),
		served{scsWhole, other.middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if other.user(r) != "" {
				api(w, r)
			}
		})), cookie(other)})

	limiter := authn.Must(ratelimit.New(st, ratelimit.Config{}, ratelimit.GCRA("api", 10_000, time.Second, 1_000_000, ratelimit.ByClient)))
	none := func(int) string { return "Accept-Language: en" }
	add("no credential", none, "ratelimit by client, GCRA", limiter.Middleware(api),
		served{"httprate by client", httprate.LimitBy(plenty, time.Hour, byPeer)(api), none})
	return rows
}

// byPeer is how httprate is to tell clients apart, as its LimitByIP did.
func byPeer(r *http.Request) (string, error) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return httprate.CanonicalizeIP(host), err
}

var (
	answer   = []byte(`{"text":"` + strings.Repeat("a", answerLength-len(`{"text":""}`)) + `"}`)
	jsonType = []string{"application/json"}
)

// api does the least that an API does.
var api http.HandlerFunc = func(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Content-Type"] = jsonType
	_, _ = w.Write(answer)
}

// fieldOf is the header field by which a client says who it is.
type fieldOf func(client int) string

// served is a handler and the field that its requests have.
type served struct {
	name  string
	h     http.Handler
	field fieldOf
}

// loopback sends perOp requests over each of the connections, each a client's.
func (s served) loopback() func() {
	l := authn.Must(new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0"))
	go func() { panic(http.Serve(l, s.h)) }()
	const begin = "GET /api/orders HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: bench\r\nAccept: application/json\r\n"
	clients := make([]client, connections)
	for i := range clients {
		c := authn.Must(new(net.Dialer).DialContext(context.Background(), "tcp", l.Addr().String()))
		clients[i] = client{c, bufio.NewReader(c), []byte(begin + s.field(i) + "\r\n\r\n")}
		if err := clients[i].first(); err != nil {
			panic(s.name + ": " + err.Error())
		}
	}
	return func() {
		var all sync.WaitGroup
		for _, c := range clients {
			all.Go(func() {
				for range perOp {
					if err := c.exchange(); err != nil {
						log.Fatal("bench: ", s.name, ": ", err)
					}
				}
			})
		}
		all.Wait()
	}
}

// client has one connection.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
}

// first reads an answer in full, so that exchange need not.
func (c client) first() error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !bytes.Equal(body, answer)) {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return err
}

var good200 = []byte("HTTP/1.1 200 ")

func (c client) exchange() error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	line, err := c.in.ReadSlice('\n')
	if err == nil && !bytes.HasPrefix(line, good200) {
		err = fmt.Errorf("%q", line)
	}
	for err == nil && len(line) > len("\r\n") {
		line, err = c.in.ReadSlice('\n')
	}
	if err == nil {
		_, err = c.in.Discard(answerLength)
	}
	return err
}
