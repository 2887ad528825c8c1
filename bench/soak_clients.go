package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// soakClient acts for users of its own, one request at a time.
type soakClient struct {
	*soakLoad
	users []*soakedUser
	coder int // who proves a code next
}

// soakedUser is what a client keeps of a user.
type soakedUser struct {
	subject, addr    string
	key, keyID       string
	cookie           string
	loggedIn         time.Time // of cookie, by the host's clock
	access, refresh  string
	accessEnds       time.Time
	begun, refreshed time.Time // of refresh
}

func newSoakClient(l *soakLoad, n int) *soakClient {
	c := &soakClient{soakLoad: l}
	for i := n; i < soakUsers; i += soakClients {
		issued := l.host.secrets[i]
		c.users = append(c.users, &soakedUser{subject: soakUser(i), addr: fmt.Sprintf("10.0.%d.%d", i/250, i%250), key: issued.Secret.Reveal(), keyID: issued.ID})
	}
	return c
}

// act is one step of a user, of a thief, or of nobody.
func (c *soakClient) act() {
	u := c.users[rand.IntN(len(c.users))]
	switch n := rand.IntN(1000); {
	case n < 300:
		c.read(u)
	case n < 400:
		c.withCookie(u, "/visits", url.Values{})
	case n < 600:
		c.call(u)
	case n < 680:
		c.renew(u)
	case n < 800:
		c.ask(request{path: "/me", from: u.addr, header: withKey(u.key)}, http.StatusOK)
	case n < 880:
		c.ask(request{path: "/limited", from: anyAddr()}, http.StatusOK)
	case n < 890:
		c.ask(request{path: "/limited", from: "198.51.100.1"}, http.StatusOK, http.StatusTooManyRequests)
	case n < 940:
		c.garbage()
	case n < 965:
		c.logout(u)
	case n < 985:
		c.end(u)
	case n < 990:
		c.everywhere(u)
	case n < 991:
		c.rotate(u)
	default:
		c.wrong(u)
	}
}

// read is a page of who is signed in.
func (c *soakClient) read(u *soakedUser) { c.withCookie(u, "/me", nil) }

// withCookie signs u in first, if that is not so.
func (c *soakClient) withCookie(u *soakedUser, path string, form url.Values) {
	if u.cookie == "" || c.clock.Now().After(u.loggedIn.Add(soakAbsolute)) {
		u.loggedIn = c.clock.Now()
		u.cookie = c.post("/sso", u, url.Values{"user": {u.subject}}, http.StatusOK).cookie
	}
	a := c.ask(request{
		path: path, from: u.addr, header: withCookie(u.cookie), form: form,
		until: u.loggedIn.Add(soakIdle / 2), late: http.StatusUnauthorized, // it may have been left alone since
	}, http.StatusOK)
	if a.status != http.StatusOK {
		u.cookie = ""
	} else if a.cookie != "" {
		u.cookie = a.cookie
	}
}

// post is of what needs no credential.
func (c *soakClient) post(path string, u *soakedUser, form url.Values, want int) reply {
	return c.ask(request{path: path, from: u.addr, form: form}, want)
}

func withKey(key string) map[string]string       { return map[string]string{"X-API-Key": key} }
func withCookie(cookie string) map[string]string { return map[string]string{"Cookie": cookie} }
func withToken(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

// call uses an access token, also one that has expired.
func (c *soakClient) call(u *soakedUser) {
	if u.access == "" {
		c.grant(u)
	}
	q := request{path: "/me", from: u.addr, header: withToken(u.access)}
	if !c.clock.Now().Before(u.accessEnds) {
		c.ask(q, http.StatusUnauthorized)
		c.renew(u)
		return
	}
	q.until, q.late = u.refreshed.Add(soakAccess/2), http.StatusUnauthorized
	if end := u.begun.Add(soakAbsolute - soakAccess); end.Before(q.until) {
		q.until = end // no token outlives its login
	}
	if c.ask(q, http.StatusOK).status != http.StatusOK {
		c.renew(u)
	}
}

// grant is a login.
func (c *soakClient) grant(u *soakedUser) {
	u.begun = c.clock.Now()
	c.keep(u, u.begun, c.post("/token", u, url.Values{"user": {u.subject}}, http.StatusOK))
}

// renew uses the refresh token, or logs in if that was not used for long.
func (c *soakClient) renew(u *soakedUser) {
	now := c.clock.Now()
	if u.refresh == "" || now.After(u.begun.Add(soakAbsolute)) {
		c.grant(u)
		return
	}
	until := u.refreshed.Add(soakIdle / 2)
	if end := u.begun.Add(soakAbsolute / 2); end.Before(until) {
		until = end
	}
	c.keep(u, now, c.ask(request{
		path: "/token/refresh", from: u.addr, form: url.Values{"refresh_token": {u.refresh}},
		until: until, late: http.StatusBadRequest,
	}, http.StatusOK))
}

// keep takes the tokens of an answer, which may have none, to what was asked at
// a time.
func (c *soakClient) keep(u *soakedUser, at time.Time, a reply) {
	var t struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if a.status == http.StatusOK {
		if err := json.Unmarshal(a.body, &t); err != nil {
			c.note(0, "tokens: "+err.Error())
		}
	}
	u.access, u.refresh = t.Access, t.Refresh
	u.refreshed, u.accessEnds = at, c.clock.Now().Add(soakAccess)
}

// logout ends a session, and its cookie is tried again.
func (c *soakClient) logout(u *soakedUser) {
	if u.cookie == "" {
		return
	}
	dead := withCookie(u.cookie)
	u.cookie = ""
	c.ask(request{path: "/logout", from: u.addr, header: dead, form: url.Values{}}, http.StatusOK)
	c.refused(u, dead)
}

// refused holds that what u shows is good no more, or never was.
func (c *soakClient) refused(u *soakedUser, header map[string]string) {
	c.ask(request{path: "/me", from: u.addr, header: header}, http.StatusUnauthorized)
}

// end revokes an access token, or its login with its refresh token, and tries
// them again.
func (c *soakClient) end(u *soakedUser) {
	if u.access == "" {
		return
	}
	dead, refresh := withToken(u.access), url.Values{"refresh_token": {u.refresh}}
	if rand.IntN(2) == 0 {
		c.post("/revoke", u, url.Values{"token": {u.access}}, http.StatusOK)
	} else {
		c.ask(request{path: "/token/refresh/logout", from: u.addr, header: dead, form: refresh}, http.StatusNoContent)
		c.post("/token/refresh", u, refresh, http.StatusBadRequest)
	}
	c.refused(u, dead)
	u.access, u.refresh = "", ""
}

// everywhere ends all that a user has but the keys.
func (c *soakClient) everywhere(u *soakedUser) {
	c.post("/everywhere", u, url.Values{"user": {u.subject}}, http.StatusOK)
	if u.access != "" {
		c.refused(u, withToken(u.access))
	}
	u.cookie, u.access, u.refresh = "", "", ""
}

// rotate makes another API key of u's. The old ones stay in the store for good.
func (c *soakClient) rotate(u *soakedUser) {
	issued, err := c.host.keys.Rotate(context.Background(), u.subject, u.keyID, 0)
	if err != nil {
		c.note(0, "rotate: "+err.Error())
		return
	}
	c.refused(u, withKey(u.key))
	u.key, u.keyID = issued.Secret.Reveal(), issued.ID
}

// wrong is what looks like a credential and is none.
func (c *soakClient) wrong(u *soakedUser) {
	mangle := func(s string) string { return s[:len(s)/2] + "x" + s[len(s)/2+1:] + "x" }
	c.refused(u, withKey(mangle(u.key)))
	if u.access != "" {
		c.refused(u, withToken(mangle(u.access)))
	}
	if u.cookie != "" {
		c.refused(u, withCookie(mangle(u.cookie)))
	}
}

// garbage is header fields that somebody else made up.
func (c *soakClient) garbage() {
	junk := make([]byte, rand.IntN(2000))
	for i := range junk {
		junk[i] = byte(' ' + rand.IntN('~'-' '+1))
	}
	text := "x" + string(junk) + "x"
	fields := []map[string]string{
		{"Authorization": text},
		withToken(text),
		withToken("eyJhbGciOiJub25lIn0." + text + "."),
		{"Authorization": "Basic " + text},
		withKey(text),
		withKey("soak_" + text),
		withCookie("__Host-session=" + text),
		{"Cookie": text, "Authorization": text, "X-API-Key": text},
	}
	from := anyAddr()
	if rand.IntN(10) == 0 {
		from = text
	}
	c.ask(request{path: "/me", from: from, header: fields[rand.IntN(len(fields))]}, http.StatusUnauthorized, http.StatusBadRequest)
}

// password is a login by a password, one in four wrong, and one in ten a guess
// at one account, which is soon no longer looked at.
func (c *soakClient) password() {
	login := func(from, name, password string, want int) {
		form := url.Values{"name": {name}, "password": {password}}
		c.ask(request{path: "/login", from: from, form: form}, want, http.StatusTooManyRequests)
	}
	name := fmt.Sprint("person", 1+rand.IntN(soakPeople-1))
	switch rand.IntN(10) {
	case 0:
		login("198.51.100.2", "person0", "a guess", http.StatusUnauthorized)
	case 1, 2:
		login(anyAddr(), name, "a mistake", http.StatusUnauthorized)
	default:
		login(anyAddr(), name, soakPassword, http.StatusOK)
	}
}

// code signs in with a second factor: without it, nothing is let through. It
// takes a real minute until the next code of a user.
func (c *soakClient) code() {
	const from = "203.0.113.9"
	i := c.coder % soakCodes
	c.coder++
	until := c.clock.Now().Add(soakHalf / 2)
	half := withCookie(c.ask(request{path: "/sso", from: from, form: url.Values{"user": {soakCoder(i)}}}, http.StatusOK).cookie)
	c.ask(request{path: "/me", from: from, header: half}, http.StatusUnauthorized, http.StatusForbidden)
	q := request{path: "/otp", from: from, header: half, until: until, late: http.StatusUnauthorized}
	q.form = url.Values{"code": {totpCode(c.host.totps[i], time.Now())}}
	if a := c.ask(q, http.StatusOK); a.status == http.StatusOK {
		q.path, q.header, q.form = "/me", withCookie(a.cookie), nil
		c.ask(q, http.StatusOK)
	}
}

// anyAddr is one of millions.
func anyAddr() string {
	b := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	binary.BigEndian.PutUint32(b[4:], rand.Uint32N(10_000_000))
	return netip.AddrFrom16(b).String()
}

// totpCode is of RFC 6238, six digits of SHA-1.
func totpCode(secret string, at time.Time) string {
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(secret, "="))
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30)
	sum := mac.Sum(nil)
	code := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:]) & (1<<31 - 1)
	return fmt.Sprintf("%06d", code%1_000_000)
}
