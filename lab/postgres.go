package main

import (
	"context"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The PostgreSQL release of Debian's suite, as the public image calls it.
const postgresTag = "15"

// Debian's PostgreSQL, without its compiler of queries, the cluster that the package makes, and Perl.
var postgresDebian = without(
	debian("debian-postgres", "Debian's PostgreSQL", "postgresql-15"),
	`^(usr/lib/[^/]+/(libLLVM|libz3|perl)|usr/lib/postgresql/15/lib/(bitcode/|llvmjit)|usr/share/perl|var/lib/postgresql/15/|etc/postgresql/15/)`)

// It keeps the contract of the public image as far as services need it: the variables that make the
// first user and database, and a port that opens once both are there.
var postgresImage = &Step{
	Name:  "postgres-image",
	About: "image postgres:" + postgresTag,
	Files: []string{"postgres.go", "images.go", "layers.go", "postgres"},
	Deps:  []*Step{postgresDebian},
	Build: func(_ context.Context, b *Build) error {
		const entrypoint = "docker-entrypoint.sh"
		layer := filepath.Join(b.Dir, "layer.tar")
		err := writeTar(layer, func(w *tarWriter) error {
			return w.tree("usr/local/bin/"+entrypoint, filepath.Join(b.Source, "postgres", entrypoint))
		})
		if err != nil {
			return err
		}
		return writeImage(b, v1.Config{
			Env: []string{
				// Its own programs first: those of Debian before them are scripts in Perl.
				"PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
				"PGDATA=/var/lib/postgresql/data",
			},
			Entrypoint:   []string{entrypoint},
			Cmd:          []string{"postgres"},
			ExposedPorts: map[string]struct{}{"5432/tcp": {}},
			Volumes:      map[string]struct{}{"/var/lib/postgresql/data": {}},
		}, filepath.Join(b.Part(postgresDebian), "root.tar"), layer)
	},
}
