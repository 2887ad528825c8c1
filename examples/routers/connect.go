package main

import (
	"context"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-go/authn"
)

// Connect has handlers of net/http, for Connect, gRPC and gRPC-Web at once.
// Clients of all three read a refusal's status: 401 is Unauthenticated, 403
// PermissionDenied, 503 Unavailable. A Guard's OnError may say more to them, by
// connect.ErrorWriter. Your service has messages of its own.
func Connect(g Guards) http.Handler {
	show := func(ctx context.Context, r *connect.Request[structpb.Struct]) (*connect.Response[structpb.Struct], error) {
		id, _ := authn.FromContext(ctx)
		answer := map[string]any{"subject": id.Subject, "method": id.Method}
		if asked, ok := r.Msg.Fields["id"]; ok {
			answer["id"] = asked.GetStringValue()
		}
		msg, err := structpb.NewStruct(answer)
		return connect.NewResponse(msg), err
	}

	mux := http.NewServeMux()
	handle := func(procedure string, require func(http.Handler) http.Handler) {
		mux.Handle(procedure, require(connect.NewUnaryHandler(procedure, show)))
	}
	handle("/shop.v1.Shop/Order", g.Programs.Require(authn.Scopes("orders:read")))
	handle("/shop.v1.Shop/Me", g.People.Require())
	handle("/shop.v1.Shop/RemoveUser", g.People.Require(admins...))
	return mux
}
