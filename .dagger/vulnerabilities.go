package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"dagger/slipway/internal/dagger"
)

const (
	// govulncheck is compiled from its Go module: it has no image.
	govulncheck = "golang.org/x/vuln/cmd/govulncheck@v1.9.0"
	// vulnerableStatus is govulncheck's exit status for vulnerabilities in code that is called.
	vulnerableStatus = 3
	// databaseAge is how old a database may be: an older one finds nothing new and looks as
	// good as one that has nothing to find.
	databaseAge = 90 * 24 * time.Hour
	// clockSkew is how much a database may be of the future.
	clockSkew = 24 * time.Hour

	publicDatabase    = "https://vuln.go.dev"
	databaseDirectory = "/database"
)

// Look for known vulnerabilities in the code that the service calls.
//
// Runs govulncheck on the package, for each of --platforms, with the build's tags.
// A vulnerability in code that the service can reach is an error, with the way that
// leads there and the version that mends it. One in code that it cannot reach is named and
// passes. The Go toolchain's own library is looked at, too: it is that of the Go image.
//
// The answer depends on the day: it is never cached, and not among the checks of dagger
// check, which give the same answer for the same source. Call it on a schedule.
//
// A database that cannot be reached, is empty, or is older than 90 days or of the future is an error:
// nothing passes unseen.
//
// With --image it looks into a published image instead, whoever made it: at the modules that its
// programs hold. Which of their code is called cannot be told there, so all of it counts.
//
//	dagger call vulnerabilities
//	dagger call vulnerabilities --database-dir ./vulndb
//	dagger call vulnerabilities --image ghcr.io/acme/hello@sha256:…
//
// +cache="never"
func (s *Slipway) Vulnerabilities(
	ctx context.Context,
	// Database to ask, by https: vuln.go.dev or a mirror of it.
	//
	// +default="https://vuln.go.dev"
	database string,
	// Database as a directory, in place of --database, for where there is no network:
	// https://vuln.go.dev/vulndb.zip, unpacked.
	//
	// +optional
	databaseDir *dagger.Directory,
	// Image by digest to look into, in place of the source.
	//
	// +optional
	image string,
) (string, error) {
	if err := checkDatabase(ctx, database, databaseDir); err != nil {
		return "", err
	}
	if databaseDir != nil {
		database = "file://" + databaseDirectory
	}
	if image != "" {
		return s.vulnerableImage(ctx, image, database, databaseDir)
	}
	var report strings.Builder
	platforms, err := s.allSupported(ctx)
	if err != nil {
		return "", err
	}
	for _, p := range platforms {
		code, err := s.allPrograms(ctx, s.buildsFor(p))
		if err != nil {
			return "", err
		}
		workspace, err := s.workspace(ctx, scanCaches, code)
		if err != nil {
			return "", err
		}
		out, err := s.scan(ctx, s.forPlatform(workspace, p), database, databaseDir,
			slices.Concat([]string{"-tags=" + strings.Join(s.buildTags(), ",")}, code.patterns)...)
		if err != nil {
			return "", vulnerable(err, p.Name, database)
		}
		if err := recent(databaseDate(out)); err != nil {
			return "", err
		}
		fmt.Fprintf(&report, "%s\n%s\n", p.Name, out)
	}
	return report.String(), nil
}

// scan runs govulncheck in a container, with what it is to look at.
func (s *Slipway) scan(ctx context.Context, ctr *dagger.Container, database string, databaseDir *dagger.Directory, what ...string,
) (string, error) {
	ctr = ctr.WithMountedFile("/usr/local/bin/govulncheck", s.tool(govulncheck)).WithEnvVariable("SLIPWAY_CALL", rand.Text())
	if databaseDir != nil {
		ctr = ctr.WithMountedDirectory(databaseDirectory, databaseDir)
	}
	return s.shown(ctr,
		// Its JSON and SARIF forms end with status 0 whatever they find.
		slices.Concat([]string{"govulncheck", "-format=text", "-show=version,verbose", "-db=" + database}, what)...).
		Stdout(ctx)
}

// checkDatabase refuses what govulncheck would take for a database without anything to find.
func checkDatabase(ctx context.Context, database string, dir *dagger.Directory) error {
	if dir == nil {
		if u, err := url.Parse(database); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			return fmt.Errorf("--database %q is no https URL: give one like %s, or a directory as --database-dir", database, publicDatabase)
		}
		return nil
	}
	if database != publicDatabase {
		return errors.New("--database and --database-dir exclude each other: give one of them")
	}
	var state struct{ Modified time.Time }
	var modules []struct{ Path string }
	for name, into := range map[string]any{"index/db.json": &state, "index/modules.json": &modules} {
		text, err := dir.File(name).Contents(ctx)
		if err == nil {
			err = json.Unmarshal([]byte(text), into)
		}
		if err != nil {
			return fmt.Errorf("--database-dir is no vulnerability database: it has no %s that can be read: unpack %s/vulndb.zip",
				name, publicDatabase)
		}
	}
	if len(modules) == 0 {
		return fmt.Errorf("--database-dir is empty: index/modules.json names no module: unpack %s/vulndb.zip", publicDatabase)
	}
	return recent(state.Modified)
}

// databaseDate is when the database was last modified, as govulncheck reports it, the zero
// time if it does not.
func databaseDate(report string) time.Time {
	for line := range strings.Lines(report) {
		if text, ok := strings.CutPrefix(line, "DB updated: "); ok {
			date, err := time.Parse("2006-01-02 15:04:05 -0700 MST", strings.TrimSpace(text))
			if err == nil {
				return date
			}
		}
	}
	return time.Time{}
}

func recent(modified time.Time) error {
	if modified.IsZero() {
		return errors.New("the vulnerability database does not say how old it is: give another with --database or --database-dir")
	}
	if time.Until(modified) > clockSkew {
		return fmt.Errorf("the vulnerability database is of %s, which is still to come, so how old it is cannot be told: "+
			"get it again, and look at this machine's clock", modified.Format(time.DateOnly))
	}
	if time.Since(modified) > databaseAge {
		return fmt.Errorf("the vulnerability database is of %s, older than 90 days: it knows nothing of what was found since; get a newer one",
			modified.Format(time.DateOnly))
	}
	return nil
}

// vulnerable tells what was found from what could not be looked for.
func vulnerable(err error, platform, database string) error {
	var exec *dagger.ExecError
	if !errors.As(err, &exec) {
		return err
	}
	if exec.ExitCode == vulnerableStatus {
		return fmt.Errorf("the service can reach vulnerable code (%s):\n%w", platform, execCause(err))
	}
	return fmt.Errorf("it is not known whether the service is vulnerable: govulncheck could not check with the database %s:\n%w\n"+
		"next: without a network, give the unpacked %s/vulndb.zip as --database-dir", database, execCause(err), publicDatabase)
}
