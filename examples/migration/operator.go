package main

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/examples/internal/tour"
)

// operator counts which way requests come, and goes on to the next step when
// nobody needs the way that ends. Of several instances, count in your metrics.
type operator struct {
	steps    []step
	handlers []http.Handler // a step's, each

	mu               sync.Mutex
	at               int
	today, yesterday map[string]int // requests, by method; no yesterday on a step's first day
}

func newOperator(s *service) *operator {
	op := &operator{steps: s.steps(), today: nobody()}
	for _, at := range op.steps {
		op.handlers = append(op.handlers, s.routes(at, op.count))
	}
	return op
}

func nobody() map[string]int { return map[string]int{"session": 0, "jwt": 0} }

// ServeHTTP is the service, at the step that it is at when a request comes.
func (op *operator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op.mu.Lock()
	now := op.handlers[op.at]
	op.mu.Unlock()
	now.ServeHTTP(w, r)
}

// count is an authn.AcceptFunc.
func (op *operator) count(_ http.ResponseWriter, _ *http.Request, id *authn.Identity) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.today[id.Method]++
}

func (op *operator) usage(w http.ResponseWriter, _ *http.Request) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.show(w)
}

// newDay is what a clock does in your service. Its day is the longest time that
// a login may rest: of an hour's idle time, an hour.
func (op *operator) newDay(w http.ResponseWriter, _ *http.Request) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.yesterday, op.today = op.today, nobody()
	op.show(w)
}

// next switches the old way off when nobody came by it for a whole day. What is
// left of it is not looked at; should the way come back before that has expired,
// it is good again.
func (op *operator) next(w http.ResponseWriter, _ *http.Request) {
	op.mu.Lock()
	defer op.mu.Unlock()
	ends := op.steps[op.at].ends
	before, now := op.yesterday[ends], op.today[ends]
	switch {
	case op.at+1 == len(op.steps):
		http.Error(w, "there is no next step", http.StatusConflict)
	case ends != "" && (op.yesterday == nil || before+now > 0):
		http.Error(w, fmt.Sprintf("%s wants a day without requests: yesterday %d, today %d", ends, before, now), http.StatusConflict)
	default:
		op.at++
		op.yesterday, op.today = nil, nobody()
		op.show(w)
	}
}

func (op *operator) show(w http.ResponseWriter) {
	tour.JSON(w, map[string]any{"step": op.steps[op.at].name, "today": op.today, "yesterday": op.yesterday})
}
