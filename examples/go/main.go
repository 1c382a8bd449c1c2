// Ci tests a service and publishes its image, as a runner that is written in Go does
// it: with Dagger's Go SDK, and Slipway as a module.
//
//	cd my-service
//	go run example.com/ci github.com/OWNER/slipway@COMMIT ghcr.io/acme/hello
//
// The first argument is where Slipway is. Without a repository it only tests.
// REGISTRY_USERNAME and REGISTRY_PASSWORD log in, and REGISTRY_PLAIN_HTTP, if set, is for
// a registry without TLS.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"dagger.io/dagger"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return fmt.Errorf("usage: ci MODULE [REPOSITORY]")
	}
	client, err := dagger.Connect(ctx, dagger.WithLogOutput(os.Stderr))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.ModuleSource(args[0]).AsModule().Serve(ctx); err != nil {
		return fmt.Errorf("load the module %s: %w", args[0], err)
	}
	source, err := client.Host().Directory(".").ID(ctx)
	if err != nil {
		return err
	}

	var tested struct{ Slipway struct{ Test string } }
	err = client.Do(ctx, &dagger.Request{
		Query:     `query($source: ID!) { slipway(source: $source, package: ["."]) { test } }`,
		Variables: map[string]any{"source": source},
	}, &dagger.Response{Data: &tested})
	if err != nil {
		return fmt.Errorf("the service fails its tests: %w", err)
	}
	fmt.Print(tested.Slipway.Test)
	if len(args) == 1 {
		return nil
	}

	password, err := client.SetSecret("registry-password", os.Getenv("REGISTRY_PASSWORD")).ID(ctx)
	if err != nil {
		return err
	}
	var published struct{ Slipway struct{ Publish string } }
	err = client.Do(ctx, &dagger.Request{
		Query: `query($source: ID!, $repository: String!, $username: String!, $password: ID!, $plainHttp: Boolean!) {
			slipway(source: $source, package: ["."], repository: $repository, username: $username, password: $password, plainHttp: $plainHttp) { publish }
		}`,
		Variables: map[string]any{
			"source": source, "repository": args[1], "username": os.Getenv("REGISTRY_USERNAME"), "password": password,
			"plainHttp": os.Getenv("REGISTRY_PLAIN_HTTP") != "",
		},
	}, &dagger.Response{Data: &published})
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	fmt.Println(published.Slipway.Publish)
	return nil
}
