package main

import (
	"context"
	"log"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// growthWriters fill a store at once.
const growthWriters = 16

// growthBackends are those that can be started.
func growthBackends() []backend {
	all := []backend{{"memstore", growMemory}}
	if installed("redis-server") {
		all = append(all, backend{"Redis", growRedis()})
	}
	if installed("initdb", "/usr/lib/postgresql/*/bin") {
		all = append(all, backend{"PostgreSQL", growPostgreSQL()})
	}
	if installed("mariadbd", "/usr/sbin", "/usr/libexec") {
		all = append(all, backend{"MariaDB", growMariaDB()})
	}
	return append(all, backend{"SQLite", growSQLite})
}

// growMemory is bounded by what comes: the default, of a million, is what it
// may have.
func growMemory(size int) grown {
	st := memstore.New(memstore.Config{MaxRecords: size})
	return grown{store: st, fill: byStore(st), bytes: heapBytes, close: func() {}}
}

// heapBytes is what is reachable.
func heapBytes() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools and finalizers held
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// growRedis is of databases of one server, each with a table of keys of its own.
func growRedis() func(size int) grown {
	server := servers.Redis(host{})
	return func(size int) grown {
		ctx := context.Background()
		c := redis.NewClient(&redis.Options{Addr: server.Addr, DB: len(strconv.Itoa(size)), ContextTimeoutEnabled: true, ReadTimeout: time.Minute}) // of FLUSHDB
		st := authn.Must(redisstore.New(c, redisstore.Config{}))
		return grown{
			store: st,
			fill:  byStore(st),
			bytes: func() float64 {
				info := authn.Must(c.Info(ctx, "memory").Result())
				_, used, _ := strings.Cut(info, "used_memory:")
				used, _, _ = strings.Cut(used, "\r\n")
				return authn.Must(strconv.ParseFloat(used, 64))
			},
			close: func() {
				if err := c.FlushDB(ctx).Err(); err != nil {
					log.Panic("bench: ", err)
				}
				_ = c.Close()
			},
		}
	}
}

// byStore fills st by itself.
func byStore(st store.Store) func(k growthKind, size int) {
	return func(k growthKind, size int) {
		var all sync.WaitGroup
		var last atomic.Int64
		for range growthWriters {
			all.Go(func() {
				for n := int(last.Add(1)); n < size; n = int(last.Add(1)) {
					if err := k.write(st, recordOf(n)); err != nil {
						log.Panicf("bench: %s, the %d-th: %v", k.name, n, err)
					}
				}
			})
		}
		all.Wait()
	}
}
