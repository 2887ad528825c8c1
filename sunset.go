package authn

import (
	"net/http"
	"strings"
	"time"
)

// Sunset announces the end of a method to those who still use it, by the
// header fields Sunset and, if link is not "", Link (RFC 8594), and sends an
// [EventAccepted] with the reason "sunset" for each of their requests: when
// there are no more, the old way can be switched off. It refuses nobody.
// link is the URL of a page that says what to do instead.
//
// The AcceptFunc is for [Guard].OnAccept.
func Sunset(method string, end time.Time, link string, onEvent EventFunc) AcceptFunc {
	date := end.UTC().Format(http.TimeFormat)
	if strings.ContainsAny(link, "<>\r\n") {
		panic("authn: Sunset with a link that is no URL")
	}
	return func(w http.ResponseWriter, r *http.Request, id *Identity) {
		if id.Method != method {
			return
		}
		w.Header().Set("Sunset", date)
		if link != "" {
			w.Header().Add("Link", "<"+link+`>; rel="sunset"`)
		}
		if onEvent != nil {
			onEvent(r.Context(), Event{
				Kind: EventAccepted, At: time.Now(), Subject: id.Subject, SubjectKind: id.Kind, Actor: id.Subject,
				Method: id.Method, CredentialID: id.CredentialID, Addr: ClientOf(r).Addr, Reason: "sunset",
			})
		}
	}
}
