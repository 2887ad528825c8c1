package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	soakClients = 8
	// soakRate is the requests of all clients in a second, at most: some 30 % of
	// one processor, the clients' own share included.
	soakRate = 1500
	// soakLogins are by password in a second, and as many with a second factor.
	soakLogins = 2
)

// soakLoad is the clients together.
type soakLoad struct {
	host  *soakHost
	clock *soakClock
	url   string
	http  *http.Client

	mu         sync.Mutex
	byStatus   map[int]int
	unexpected int
	first      []string // of the unexpected
}

func newSoakLoad(h *soakHost, clock *soakClock, url string) *soakLoad {
	return &soakLoad{host: h, clock: clock, url: url, byStatus: make(map[int]int), http: &http.Client{
		Transport: &http.Transport{MaxIdleConns: 100, MaxIdleConnsPerHost: 100},
		Timeout:   time.Minute,
	}}
}

// start lets clients go until ctx ends: each has users of its own, so that it
// knows what to expect.
func (l *soakLoad) start(ctx context.Context, all *sync.WaitGroup) {
	for i := range soakClients {
		c := newSoakClient(l, i)
		all.Go(func() { c.run(ctx, time.Second*soakClients/soakRate, c.act) })
	}
	c := newSoakClient(l, 0)
	all.Go(func() { c.run(ctx, time.Second/soakLogins, c.password) })
	all.Go(func() { c.run(ctx, time.Second/soakLogins, c.code) })
}

// run calls act every so often. What it is late by, it leaves out.
func (c *soakClient) run(ctx context.Context, every time.Duration, act func()) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			act()
		}
	}
}

// request is one of a client.
type request struct {
	path, from string
	header     map[string]string
	form       url.Values // is posted; nil is a GET
	// until what it uses is surely good, by the host's clock; an answer that comes
	// later may have the status late, too. 0 is none.
	until time.Time
	late  int
}

// reply is what a request got.
type reply struct {
	status int
	cookie string // "" if none was set
	body   []byte
}

// ask sends q and holds that the status is one of want.
func (l *soakLoad) ask(q request, want ...int) reply {
	method := http.MethodGet
	if q.form != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequest(method, l.url+q.path, strings.NewReader(q.form.Encode()))
	if err != nil {
		panic(err)
	}
	r.Header.Set("X-Forwarded-For", q.from)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if q.form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	resp, err := l.http.Do(r)
	if err != nil {
		l.note(0, fmt.Sprintf("%s: %v", q.path, err))
		return reply{}
	}
	defer func() { _ = resp.Body.Close() }()
	a := reply{status: resp.StatusCode}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		l.note(0, fmt.Sprintf("%s: %v", q.path, err))
		return a
	}
	for _, c := range resp.Cookies() {
		if c.MaxAge >= 0 {
			a.cookie = c.Name + "=" + c.Value
		}
	}
	bad := ""
	if !slices.Contains(want, a.status) && (a.status != q.late || l.clock.Now().Before(q.until)) {
		bad = fmt.Sprintf("%s: %d, not %d: %.200s", q.path, a.status, want, bytes.TrimSpace(a.body))
	}
	l.note(a.status, bad)
	return a
}

// note counts an answer; bad says why it is unexpected, "" if it is not.
func (l *soakLoad) note(status int, bad string) {
	l.clock.requests.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byStatus[status]++
	if bad != "" {
		if l.unexpected++; len(l.first) < 10 {
			l.first = append(l.first, bad)
			log.Print("bench: unexpected: ", bad)
		}
	}
}

// answers are in columns: by status, and how many were unexpected.
func (l *soakLoad) answers() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, status := range slices.Sorted(maps.Keys(l.byStatus)) {
		fmt.Fprintf(&b, "%d: %s, ", status, thousands(l.byStatus[status]))
	}
	return fmt.Sprintf("%s | %d", strings.TrimSuffix(b.String(), ", "), l.unexpected)
}

func (l *soakLoad) judge(out io.Writer) (status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	verdict := "as expected"
	if l.unexpected > 0 {
		verdict, status = "UNEXPECTED", 1
	}
	fmt.Fprintf(out, "- answers: %d of %d are unexpected: %s\n", l.unexpected, l.clock.requests.Load(), verdict)
	for _, text := range l.first {
		fmt.Fprintf(out, "  - %s\n", text)
	}
	return status
}
