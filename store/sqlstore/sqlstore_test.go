package sqlstore_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/store/sqlstore"
)

// D4: names that become SQL are letters, digits and _ only, and what cannot
// work is an error of New.
func TestNewRefuses(t *testing.T) {
	db := (&busy{}).db(t)
	for _, name := range []string{"a b", "a;b", `a"b`, "a`b", "1a", "é", "a.b", "a-b", "a\x00", "{once}", "a?", strings.Repeat("a", 64)} {
		if _, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Config{TablePrefix: name}); err == nil || !strings.Contains(err.Error(), "Config.TablePrefix") {
			t.Errorf("prefix %q: %v", name, err)
		}
		if _, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Config{Schema: name}); err == nil || !strings.Contains(err.Error(), "Config.Schema") {
			t.Errorf("schema %q: %v", name, err)
		}
	}
	// Where names of tables do not tell upper from lower case, it would be shop_.
	if _, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Config{TablePrefix: "Shop_"}); err == nil || !strings.Contains(err.Error(), "lower-case") {
		t.Errorf("an upper-case prefix: %v", err)
	}
	for _, d := range []sqlstore.Dialect{0, 4} {
		if _, err := sqlstore.New(db, d, sqlstore.Config{}); err == nil || !strings.Contains(err.Error(), "dialect") {
			t.Errorf("%v: %v", d, err)
		}
	}
	if _, err := sqlstore.New(nil, sqlstore.SQLite, sqlstore.Config{}); err == nil {
		t.Error("a nil *sql.DB")
	}
	good := sqlstore.Config{TablePrefix: "shop_2_", Schema: "_Auth"}
	for _, d := range []sqlstore.Dialect{sqlstore.PostgreSQL, sqlstore.MySQL, sqlstore.SQLite} {
		if _, err := sqlstore.New(db, d, good); err != nil {
			t.Errorf("%v: %v", d, err)
		}
	}
}
