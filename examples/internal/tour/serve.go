package tour

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// Serve serves h at ln, and prints what to paste, until ctx ends. With walk it
// sends the calls instead, and ends. What h uses is closed after its last
// request.
func (cs Calls) Serve(ctx context.Context, ln net.Listener, h http.Handler, walk bool, closers ...func(context.Context) error) (err error) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	if walk {
		err = cs.Walk(ctx, os.Stdout)
	} else {
		fmt.Printf("Paste these lines, in this order:\n\n%sOr open %s in a browser. Ctrl-C ends it.\n", cs.Lines(), URL(ln.Addr()))
		select {
		case err = <-served:
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = errors.Join(err, srv.Shutdown(last))
	for _, c := range closers {
		err = errors.Join(err, c(last))
	}
	return err
}
