package main

import (
	"fmt"
	"html"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
)

// bar is how many times as fast ours is as the fastest of peers.
type bar struct {
	label     string
	operation string // of the page, as are ours and peers
	ours      string
	peers     []string
	perSecond bool // figures are requests in a second, of which more is better

	peer          string // the fastest
	own, its, how float64
}

// bars are of each kind of work one or two, those where little is to be won among
// them: a whole request, and a token that was never seen before.
func bars() []bar {
	byHand := []string{"golang-jwt, MapClaims", "golang-jwt, struct", "jwx", "auth0"}
	limiters := []string{nameSethvargo, nameUlule, nameThrottled, nameHTTPRate}
	return []bar{
		{label: "JWT ES256, seen before", operation: "JWT ES256", ours: oursRepeated + ", memstore", peers: byHand},
		{label: "JWT ES256, first time", operation: "JWT ES256", ours: oursAlone, peers: byHand},
		{label: "JWT HS256, seen before", operation: "JWT HS256", ours: oursRepeated + ", memstore", peers: byHand},
		{label: "JWT HS256, first time", operation: "JWT HS256", ours: oursStore, peers: byHand},
		{label: "JWT HS256, signed", operation: "JWT HS256, sign", ours: oursAlone, peers: byHand[:3]},
		{label: "Session read, memory", operation: "session read", ours: oursSession, peers: []string{scsSession}},
		{label: "Session write, memory", operation: "session read + write", ours: oursUpdate, peers: []string{scsSession + ", Put"}},
		{label: "Session read, PostgreSQL", operation: "session read, PostgreSQL", ours: oursSession, peers: []string{scsSession}},
		{label: "Limit, memory", operation: "limit, hot key", ours: oursGCRA, peers: limiters},
		{label: "Three limits, Redis", operation: "limit, Redis, three GCRA of a request", ours: oursLimits, peers: []string{redisRate + ", three calls"}},
		{label: "Whole request, session", operation: wholePrefix + wholeSession, ours: requireSession, peers: []string{scsWhole}, perSecond: true},
	}
}

// read takes the figures of b from the page.
func (b *bar) read(f figures) error {
	figure := func(contender string) (float64, error) {
		cells := f[[2]string{b.operation, contender}]
		if len(cells) == 0 {
			return 0, fmt.Errorf("the page has no row %q of %q", contender, b.operation)
		}
		n, err := strconv.ParseFloat(cells[0], 64)
		if err == nil && n <= 0 {
			err = fmt.Errorf("%q of %q takes no time", contender, b.operation)
		}
		return n, err
	}
	var err error
	if b.own, err = figure(b.ours); err != nil {
		return err
	}
	for _, peer := range b.peers {
		its, err := figure(peer)
		if err != nil {
			return err
		}
		how := its / b.own
		if b.perSecond {
			how = b.own / its
		}
		if b.peer == "" || how < b.how {
			b.its, b.how = its, how
			b.peer, _, _ = strings.Cut(peer, ", ")
		}
	}
	return nil
}

// detail is what the bar's length is made of.
func (b *bar) detail() string {
	if b.perSecond {
		return fmt.Sprintf("%.0f/s, %s %.0f/s", b.own, b.peer, b.its)
	}
	return fmt.Sprintf("%s, %s %s", duration(b.own), b.peer, duration(b.its))
}

func duration(ns float64) string {
	switch {
	case ns < 1e3:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 1e6:
		return fmt.Sprintf("%.1f µs", ns/1e3)
	}
	return fmt.Sprintf("%.1f ms", ns/1e6)
}

// drawChart writes the chart of the page.
func drawChart(page, chart string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	svg, err := chartOf(string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(chart, []byte(svg), 0o644)
}

// Where things are.
const (
	chartWidth = 800
	chartTop   = 78
	barEvery   = 42
	barLeft    = 330
	barRight   = 730 // numbers stand behind
)

// chartOf is on a logarithmic scale: twice as fast is as long a step anywhere.
func chartOf(page string) (string, error) {
	all, f := bars(), readFigures(page)
	least, most := 1.0, 10.0
	for i := range all {
		if err := all[i].read(f); err != nil {
			return "", err
		}
		least, most = min(least, all[i].how), max(most, all[i].how)
	}
	at := func(how float64) float64 {
		return barLeft + (barRight-barLeft)*math.Log(how/least)/math.Log(most/least)
	}
	slices.SortStableFunc(all, func(a, b bar) int { return int(math.Copysign(1, b.how-a.how)) })
	said := make([]string, len(all))
	for i, b := range all {
		said[i] = fmt.Sprintf("%s %s times", b.label, times(b.how))
	}
	height := chartTop + barEvery*len(all) + 10
	var s strings.Builder
	fmt.Fprintf(&s, chartHead, chartWidth, height, html.EscapeString(strings.Join(said, "; ")))
	for _, tick := range []float64{0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500} {
		if tick < least || tick > most {
			continue
		}
		class := "grid"
		if tick == 1 {
			class = "one"
		}
		x := at(tick)
		fmt.Fprintf(&s, `  <path class="%s" d="M%.1f %dV%d"/><text class="soft" x="%.1f" y="%d" text-anchor="middle" font-size="12">%s×</text>`+"\n",
			class, x, chartTop-6, height-10, x, chartTop-12, times(tick))
	}
	for i, b := range all {
		y := chartTop + barEvery*i
		from, to := at(min(1, b.how)), at(max(1, b.how))
		fmt.Fprintf(&s, `  <text class="ink b" x="0" y="%d">%s</text><text class="soft" x="0" y="%d" font-size="12">%s</text>`+"\n",
			y+14, html.EscapeString(b.label), y+31, html.EscapeString(b.detail()))
		fmt.Fprintf(&s, `  <rect class="bar" x="%.1f" y="%d" width="%.1f" height="22" rx="2"/><text class="ink b" x="%.1f" y="%d">%s×</text>`+"\n",
			from, y+6, max(to-from, 1), to+8, y+22, times(b.how))
	}
	s.WriteString("</svg>\n")
	return s.String(), nil
}

// times has two digits where it matters.
func times(how float64) string {
	if how < 9.95 {
		return strings.TrimSuffix(strconv.FormatFloat(how, 'f', 1, 64), ".0")
	}
	return strconv.FormatFloat(how, 'f', 0, 64)
}

const chartHead = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d" role="img" aria-labelledby="t d" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif" font-size="14">
  <title id="t">Times as fast as the fastest peer</title>
  <desc id="d">A bar for each operation, on a logarithmic scale on which 1 is as fast as the fastest peer. %[3]s.</desc>
  <style>
    .ink { fill: #1c1d1f } .soft { fill: #5c5e63 } .b { font-weight: 600 } .bar { fill: #2c50bd } .grid { stroke: #d9dade } .one { stroke: #5c5e63 }
    @media (prefers-color-scheme: dark) {
      .ink { fill: #e9e9e6 } .soft { fill: #a4a7ad } .bar { fill: #9db6ff } .grid { stroke: #33363c } .one { stroke: #a4a7ad }
    }
  </style>
  <text class="ink b" x="0" y="16" font-size="16">Times as fast as the fastest peer</text>
  <text class="soft" x="0" y="36" font-size="12">Logarithmic: each doubling is as long. Below a name: the time here, then the peer’s.</text>
`
