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
	wholeRow     = "GET over loopback"
	bareAPI      = "bare handler"
	wholeAtMost  = 1 / 0.9 // of the time of the bare handler
	answerLength = 300
)

// wholeRequests are those of programs over TCP at servers of net/http, all in this
// process and on all processors, by wall time. So the client's time counts as the
// server's does, and hides what a middleware costs: it is as little as it can be,
// a request that is written down already and an answer that is skipped.
func wholeRequests(wanted func(name string) bool) []row {
	if !wanted(wholeRow) {
		return nil
	}
	st := memstore.New(memstore.Config{})
	keys := authn.Must(apikey.New(st, apikey.Config{Prefix: "acme_live"}))
	key, err := keys.Create(context.Background(), "ada", apikey.Spec{})
	if err != nil {
		panic(err)
	}
	hs, es := newKey("HS256"), newKey("ES256")
	hsToken, esToken := "Authorization: Bearer "+hs.token(), "Authorization: Bearer "+es.token()
	ours, other := sessionManager(memory(), nil), scsManager(scs.New())
	limiter := authn.Must(ratelimit.New(st, ratelimit.Config{}, ratelimit.GCRA("api", 10_000, time.Second, 1_000_000, ratelimit.ByClient)))
	wholly := func(name string, h http.Handler, fields ...string) contender {
		return contender{name, loopback(name, h, fields...)}
	}
	const (
		byKey, byHS256, byES256 = "Require(apikey)", "Require(jwtauth), HS256", "Require(jwtauth), ES256 seen before"
		bySession, byLimit      = "Require(session)", "ratelimit by client, GCRA"
		scsName, httprateName   = "scs LoadAndSave, GetString", "httprate by client"
		auth0HS256, auth0ES256  = "go-jwt-middleware, HS256", "go-jwt-middleware, ES256"
	)
	r := row{name: wholeRow, wall: true, requests: connections * perOp, contenders: []contender{
		wholly(bareAPI, api),
		wholly(byKey, authn.Require(keys)(api), "X-API-Key: "+key.Secret.Reveal()),
		wholly(byHS256, authn.Require(hs.verifier(st, false))(api), hsToken),
		wholly(auth0HS256, auth0Middleware(hs).CheckJWT(api), hsToken),
		wholly(byES256, authn.Require(es.verifier(st, false))(api), esToken),
		wholly(auth0ES256, auth0Middleware(es).CheckJWT(api), esToken),
		wholly(bySession, authn.Require(ours.manager)(api), "Cookie: "+ours.cookie.Name+"="+ours.cookie.Value),
		wholly(scsName, other.middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if other.user(r) == visitor {
				api(w, r)
			}
		})), "Cookie: "+other.cookie.Name+"="+other.cookie.Value),
		wholly(byLimit, limiter.Middleware(api)),
		wholly(httprateName, httprate.LimitBy(plenty, time.Hour, byPeer)(api)),
	}}
	for _, name := range []string{byKey, byHS256, byES256, bySession, byLimit} {
		r.promises = append(r.promises, promise{"Q9", name, bareAPI, wholeAtMost})
	}
	return []row{r}
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

// loopback serves h, and sends perOp requests with these fields over each of the
// connections.
func loopback(name string, h http.Handler, fields ...string) func() {
	l := authn.Must(new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0"))
	go func() { panic(http.Serve(l, h)) }()
	request := "GET /api/orders HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: bench\r\nAccept: application/json\r\n"
	for _, field := range fields {
		request += field + "\r\n"
	}
	request += "\r\n"
	clients := make([]client, connections)
	for i := range clients {
		c := authn.Must(new(net.Dialer).DialContext(context.Background(), "tcp", l.Addr().String()))
		clients[i] = client{c, bufio.NewReader(c), []byte(request)}
		if err := clients[i].first(); err != nil {
			panic(name + ": " + err.Error())
		}
	}
	return func() {
		var all sync.WaitGroup
		for _, c := range clients {
			all.Go(func() {
				for range perOp {
					if err := c.exchange(); err != nil {
						log.Fatal("bench: ", name, ": ", err)
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
