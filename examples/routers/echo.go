package main

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/gatehouse-go/authn"
)

// Echo adapts middleware of the standard shape by itself. A Group("") with
// middleware would also answer for every path that nobody serves: 401, not 404.
func Echo(g Guards) http.Handler {
	show := func(c echo.Context) error {
		id, _ := authn.FromContext(c.Request().Context())
		return c.JSON(http.StatusOK, Answer{ID: c.Param("id"), Subject: id.Subject, Method: id.Method})
	}
	people := echo.WrapMiddleware(g.People.Require())

	e := echo.New()
	e.GET("/orders/:id", show, echo.WrapMiddleware(g.Programs.Require(authn.Scopes("orders:read"))))
	e.GET("/me", show, people)
	e.DELETE("/users/:id", show, people, echo.WrapMiddleware(authn.Allow(admins...)))
	return e
}
