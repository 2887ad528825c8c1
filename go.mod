module github.com/gatehouse-go/authn

go 1.26.0
