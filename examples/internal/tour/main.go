package tour

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"

	"github.com/gatehouse-go/authn/examples/internal/stores"
)

// Options are what an example was started with.
type Options struct {
	// Listener is at -addr.
	Listener net.Listener
	// Store is what stores.Open opens.
	Store string
	// Walk asks for the walkthrough.
	Walk bool
}

// Main is the main function of the example of that name. Ctrl-C ends run's
// context.
func Main(name string, run func(ctx context.Context, o Options) error) {
	MainAt("localhost:8080", name, run)
}

// MainAt is Main of an example that listens at another address unless -addr says
// where.
func MainAt(at, name string, run func(ctx context.Context, o Options) error) {
	var o Options
	addr := flag.String("addr", at, "where to listen; port 0 takes a free one")
	flag.StringVar(&o.Store, "store", "memory", stores.Usage)
	flag.BoolVar(&o.Walk, "walkthrough", false, "on a free port, send every request, check the answers, exit")
	flag.Parse()
	if o.Walk {
		*addr = "localhost:0"
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait for open requests
	var err error
	if o.Listener, err = net.Listen("tcp", *addr); err != nil {
		err = fmt.Errorf("%w (-addr localhost:0 takes a free port)", err)
	} else {
		err = run(ctx, o)
	}
	if err != nil {
		log.Fatal(name, ": ", err)
	}
}
