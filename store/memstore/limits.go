package memstore

import "github.com/gatehouse-go/authn/internal/limits"

// counters is store.Limits.
type counters = limits.Table
