// Mutate asks of each small change of the product whether a test notices it.
//
// A package's tests are compiled once, with all its mutants in them; the
// environment chooses one at run time. Each mutant faces the tests that reach
// it, the cheap ones first, until one fails. A boundary is reached by equals only,
// a returned error by an error. What lives, and what no test reaches, stands in
// survivors.txt with the reason why it may, or the run fails.
//
//	go run ./mutate            # all packages, from internal/tools
//	go run ./mutate ./apikey   # one
//	go run ./mutate -update ./apikey && $EDITOR mutate/survivors.txt
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"time"
)

// leftOut are packages that are tests themselves, and one whose tests need servers.
var leftOut = map[string]bool{"authntest": true, "store/storetest": true, "store/sqlstore": true}

type config struct {
	root      string // the module's folder
	patterns  []string
	survivors string
	markdown  string
	update    bool
	verbose   bool
	jobs      int
	least     time.Duration // no mutant is given up earlier
	skip      *regexp.Regexp
}

func main() {
	c := config{}
	flag.StringVar(&c.root, "root", "../..", "folder of the module")
	flag.StringVar(&c.survivors, "survivors", "mutate/survivors.txt", "what may live, and why")
	flag.StringVar(&c.markdown, "o", "", "also write the table to this Markdown file")
	flag.BoolVar(&c.update, "update", false, "write lines for new survivors, drop the stale ones")
	flag.BoolVar(&c.verbose, "v", false, "print each mutant's fate")
	flag.IntVar(&c.jobs, "jobs", runtime.NumCPU(), "test processes at a time")
	flag.DurationVar(&c.least, "timeout", 10*time.Second, "shortest time after which a mutant counts as timed out")
	skip := flag.String("skip", "", "leave out tests whose name matches this")
	flag.Parse()
	c.patterns = flag.Args()
	if *skip != "" {
		c.skip = regexp.MustCompile(*skip)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	good, err := run(ctx, c, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

// run reports whether every survivor is explained.
func run(ctx context.Context, c config, out io.Writer) (bool, error) {
	known, err := readSurvivors(c.survivors)
	if err != nil {
		return false, err
	}
	chosen := len(c.patterns) > 0
	if !chosen {
		c.patterns = []string{"./..."}
	}
	pkgs, err := load(ctx, c.root, c.patterns)
	if err != nil {
		return false, err
	}
	tmp, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(tmp)

	good, rows, tried := true, []row{}, map[string]bool{}
	for i, p := range pkgs {
		if !chosen && leftOut[p.name] || len(p.TestGoFiles)+len(p.XTestGoFiles) == 0 {
			continue
		}
		began := time.Now()
		dir := filepath.Join(tmp, fmt.Sprint(i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return false, err
		}
		ms := p.mutants()
		j := judge{config: c, pkg: p, dir: dir, out: out}
		if err := j.judge(ctx, ms); err != nil {
			return false, fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintf(out, "%s: %d mutants, %s\n", p.name, len(ms), time.Since(began).Round(time.Second))
		good = known.compare(p.name, ms, out) && good
		tried[p.name] = true
		rows = append(rows, count(p.name, ms))
	}
	stale := known.stale(func(pkg string) bool { return !chosen || tried[pkg] }, out)
	printTable(out, rows)
	if c.markdown != "" {
		if err := writeMarkdown(c.markdown, rows); err != nil {
			return false, err
		}
	}
	if c.update {
		err = known.update(c.survivors, stale)
	}
	return good, err
}
