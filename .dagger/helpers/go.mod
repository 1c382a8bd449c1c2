module slipway/helpers

go 1.26.0

require (
	github.com/aymanbagabas/go-udiff v0.4.1
	github.com/google/licensecheck v0.3.1
	github.com/tsenart/vegeta/v12 v12.13.0
	sigs.k8s.io/yaml v1.6.0
)

require (
	github.com/influxdata/tdigest v0.0.1 // indirect
	github.com/josharian/intern v1.0.0 // indirect
	github.com/mailru/easyjson v0.7.7 // indirect
	github.com/rs/dnscache v0.0.0-20230804202142-fc85eb664529 // indirect
	go.yaml.in/yaml/v2 v2.4.2 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sync v0.25.0 // indirect
	golang.org/x/text v0.44.0 // indirect
)
