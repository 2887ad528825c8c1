package mtls

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
)

// ServerTLS is for an http.Server, one for each: TLS 1.3 with the certificate
// and key of these PEM files, asking clients for certificates of the roots, and
// refusing others in the handshake. A client without any gets in, for routes
// that are open or take another credential; [Verifier.Verify] tells them apart.
//
// The files are looked at again by handshakes, at most once a second. When the
// new ones cannot be used, the old certificate stays and a warning is sent, once
// for each content; so write new ones by renaming: of half a chain the leaf is
// taken. Roots are those of [Verifier.SetRoots]. HTTP/2 is the http.Server's to
// offer. Fields may be changed before it is served, but for ClientCAs and GetConfigForClient.
func (v *Verifier) ServerTLS(certFile, keyFile string) (*tls.Config, error) {
	f := &files{cert: certFile, key: keyFile, now: v.cfg.Now, log: v.log}
	f.looked = f.now()
	if err := f.read(); err != nil {
		return nil, fmt.Errorf("authn/mtls: %w", err)
	}
	// Without NextProtos: an http.Server writes "h2" into its TLSConfig, unless
	// it was told to speak HTTP/1.1 only, and then nothing may promise h2.
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS13, Time: v.cfg.Now,
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: v.trust.Load().roots,
		GetCertificate: f.certificate,
	}
	cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		current := cfg.Clone() // with what the host has changed
		current.GetConfigForClient = nil
		current.ClientCAs = v.trust.Load().roots
		return current, nil
	}
	return cfg, nil
}

// recheck is how often files are looked at.
const recheck = time.Second

// files are a certificate and its key. They are compared by content: a time
// stamp may stay the same, and the two are not written at once.
type files struct {
	cert, key string
	now       func() time.Time
	log       audit.Log
	current   atomic.Pointer[tls.Certificate]

	mu       sync.Mutex // who looks
	looked   time.Time
	seen     [2][sha256.Size]byte // contents, good or bad
	reported string               // the error of the last event
}

// certificate is of tls.Config. One handshake looks, the others do not wait.
func (f *files) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if f.mu.TryLock() {
		defer f.mu.Unlock()
		if now := f.now(); now.Sub(f.looked) >= recheck || now.Before(f.looked) {
			f.looked = now
			f.report(hello.Context(), f.read())
		}
	}
	return f.current.Load(), nil
}

func (f *files) report(ctx context.Context, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != f.reported {
		f.log.Send(ctx, authn.Event{Kind: authn.EventWarning, Reason: "certificate not reloaded", Err: fmt.Errorf("authn/mtls: %w", err)})
	}
	f.reported = text
}

// read puts what is new in the place of the old, if it is good.
func (f *files) read() error {
	cert, err := os.ReadFile(f.cert)
	if err != nil {
		return err
	}
	key, err := os.ReadFile(f.key)
	if err != nil {
		return err
	}
	defer clear(key)
	now := [...][sha256.Size]byte{sha256.Sum256(cert), sha256.Sum256(key)}
	if now == f.seen {
		return nil // what was wrong with it was said
	}
	f.seen, f.reported = now, "" // of this content nothing was said
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("%s with %s: %w", f.cert, f.key, err)
	}
	f.current.Store(&pair)
	return nil
}
