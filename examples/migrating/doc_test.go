package migrating_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
)

// regions are the parts of a file that the guides show, without their indent.
func regions(file string) (all []string) {
	for _, part := range strings.Split(file, "//doc:begin\n")[1:] {
		part, _, _ = strings.Cut(part, "//doc:end")
		part = strings.Trim(part, "\n\t")
		if strings.Contains(file, "\t//doc:begin\n\t"+part) { // inside of a function
			part = strings.ReplaceAll(part, "\n\t", "\n")
		}
		all = append(all, part)
	}
	return all
}

// docs/migrating.md shows what is compiled and run here, word for word, and
// no other new code; and a guide has at most 40 lines.
func TestGuidesShowTheseFiles(t *testing.T) {
	_, rest, _ := strings.Cut(string(authn.Must(os.ReadFile("../../docs/migrating.md"))), "\n## ")
	guides := strings.Split(rest, "\n## ")
	for _, guide := range guides {
		lines := 0
		for line := range strings.Lines(guide) {
			if strings.TrimSpace(line) != "" {
				lines++
			}
		}
		if name, _, _ := strings.Cut(guide, "\n"); lines > 40 {
			t.Errorf("the guide %q has %d lines, over 40", name, lines)
		}
	}
	compiled := map[string]bool{}
	for _, name := range authn.Must(filepath.Glob("*_test.go")) {
		if name == "doc_test.go" {
			continue
		}
		for _, region := range regions(string(authn.Must(os.ReadFile(name)))) {
			compiled[region] = true
			if !strings.Contains(rest, "```go\n"+region+"\n```\n") {
				t.Errorf("docs/migrating.md does not show this of %s as it is:\n%s", name, region)
			}
		}
	}
	if len(compiled) < len(guides) || len(guides) < 6 {
		t.Errorf("%d guides and %d parts of files", len(guides), len(compiled))
	}
	for _, guide := range guides {
		_, after, ok := strings.Cut(guide, "\nAfter")
		if !ok {
			t.Errorf("a guide without an After:\n%s", guide)
		}
		for _, block := range strings.Split(after, "```go\n")[1:] {
			if block, _, _ = strings.Cut(block, "\n```"); !compiled[block] {
				t.Errorf("docs/migrating.md shows what is in no file:\n%s", block)
			}
		}
	}
}
