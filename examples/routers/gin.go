package main

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/gatehouse-go/authn"
)

// Gin has middleware of another shape, which wrap makes of ours.
func Gin(g Guards) http.Handler {
	show := func(c *gin.Context) {
		id, _ := authn.FromContext(c.Request.Context()) // not c, which has no values of the request's context
		c.JSON(http.StatusOK, Answer{ID: c.Param("id"), Subject: id.Subject, Method: id.Method})
	}

	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.GET("/orders/:id", wrap(g.Programs.Require(authn.Scopes("orders:read"))), show)
	people := r.Group("", wrap(g.People.Require()))
	people.GET("/me", show)
	people.DELETE("/users/:id", wrap(authn.Allow(admins...)), show)
	return r
}

// wrap is all that gin needs. Guard.Check would decide the same, but leave out
// the Vary of what is let through, and OnAccept.
func wrap(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		accepted := false
		middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			accepted, c.Request = true, r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !accepted {
			c.Abort() // it is answered
		}
	}
}
