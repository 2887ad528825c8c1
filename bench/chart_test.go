package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
)

// The chart is what the page says, and no figure of it is anybody's own.
func TestChartIsOfThePage(t *testing.T) {
	want, err := chartOf(string(authn.Must(os.ReadFile(pagePath))))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(authn.Must(os.ReadFile(chartPath))); got != want {
		t.Errorf("%s is not the chart of %s: run `GOWORK=off go -C bench run . -chart`", chartPath, pagePath)
	}
	for d := xml.NewDecoder(strings.NewReader(want)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

var begin, end = marks(tablesSection)

// A page that lacks a row that the chart has is refused, not drawn without it.
func TestChartWantsAllItsRows(t *testing.T) {
	if _, err := chartOf(begin + end); err == nil || !strings.Contains(err.Error(), "has no row") {
		t.Errorf("%v", err)
	}
}

// What a run writes is read back, and the text around it stays.
func TestPageKeepsItsText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rep := newReport()
	rep.times.add("walk", "floor", "10", "0", "1.00")
	rep.times.add("", "ours", "12", "1", "1.20")
	write("before\n" + begin + "| old |\n" + end + "after\n")
	for range 2 {
		if err := writePage(path, tablesSection, rep.markdown()); err != nil {
			t.Fatal(err)
		}
	}
	got := string(authn.Must(os.ReadFile(path)))
	if !strings.HasPrefix(got, "before\n"+begin) || !strings.HasSuffix(got, end+"after\n") || strings.Contains(got, "old") {
		t.Errorf("%s", got)
	}
	if cells := readFigures(got)[[2]string{"walk", "ours"}]; len(cells) != 3 || cells[0] != "12" {
		t.Errorf("%q", cells)
	}
	write("no marks\n")
	if err := writePage(path, tablesSection, rep.markdown()); err == nil {
		t.Error("a page without marks is written")
	}
}
