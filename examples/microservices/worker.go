package main

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/gatehouse-go/authn"
)

// worker is a program with a client id and a secret. Nothing of it is of this
// library: any OAuth client will do.
type worker struct {
	config clientcredentials.Config
	client *http.Client // without a token
	orders string
}

func newWorker(id string, secret authn.Secret, client *http.Client, authURL, ordersURL string) *worker {
	return &worker{client: client, orders: ordersURL + "/orders", config: clientcredentials.Config{
		ClientID: id, ClientSecret: secret.Reveal(), TokenURL: authURL + "/token", AuthStyle: oauth2.AuthStyleInHeader,
	}}
}

// context is for package oauth2, which calls auth as this client does.
func (w *worker) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, w.client)
}

// work is what it does all day.
func (w *worker) work(ctx context.Context) error {
	client := w.config.Client(w.context(ctx)) // gets a token when it needs one
	status, body, err := w.list(ctx, client)
	if err == nil {
		fmt.Printf("worker: asked for the orders and got %d %s\n", status, body)
	}
	return err
}

// list asks for the orders, by a client that sends a token.
func (w *worker) list(ctx context.Context, client *http.Client) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.orders, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	return resp.StatusCode, string(text), err
}
