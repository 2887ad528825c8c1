package customstore_test

import (
	"os"
	"strings"
	"testing"
)

// D6: docs/writing-a-store.md shows the files that are compiled and run here,
// word for word.
func TestDocShowsTheseFiles(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/writing-a-store.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"claims.go", "claims_test.go", "users.go", "users_test.go"} {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(doc), "```go\n"+string(file)+"```\n") {
			t.Errorf("docs/writing-a-store.md does not quote %s as it is", name)
		}
	}
}
