package tour

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// Serve serves h at ln, and prints what to paste, until ctx ends. With walk it
// sends the calls instead, and ends. A call of / says that there is a page to
// open. What h uses is closed after its last request.
func (cs Calls) Serve(ctx context.Context, ln net.Listener, h http.Handler, walk bool, closers ...func(context.Context) error) (err error) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	if walk {
		err = cs.Walk(ctx, os.Stdout)
	} else {
		page := ""
		if base := URL(ln.Addr()); slices.ContainsFunc(cs, func(c Call) bool { return c.URL == base+"/" }) {
			page = "Or open " + base + " in a browser. "
		}
		fmt.Printf("Paste these lines, in this order:\n\n%s%sCtrl-C ends it.\n", cs.Lines(), page)
		select {
		case err = <-served:
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err = errors.Join(err, srv.Shutdown(last))
	for _, c := range closers {
		err = errors.Join(err, c(last))
	}
	return err
}

// Assets serves the files of the folder assets, and does not list them.
func Assets(files fs.FS) http.Handler {
	assets, err := fs.Sub(files, "assets") // so that ../ leads nowhere
	if err != nil {
		panic(err)
	}
	serve := http.StripPrefix("/assets", http.FileServerFS(assets))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r)
			return
		}
		serve.ServeHTTP(w, r)
	})
}

// JSON answers v.
func JSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a client that is gone is nobody's error
}
