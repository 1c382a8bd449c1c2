package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/scaffold"
)

// What New's arguments are by default, which no .env need say.
const (
	defaultTags      = "nomsgpack"
	defaultPlatforms = "linux/amd64,linux/arm64"
)

// Write the files that the service lacks to be deployed.
//
// Builds the service, runs it, and asks it what it answers. From that come manifests, a
// base and overlays, with the probes that it has, and smoke.yaml, with its answers. With
// them come a .env, whose lines are comments but for what was given to build with, and, in a
// repository on GitHub or GitLab that has no CI, a file for that: of Slipway's examples/, to
// be read before it is pushed. No secret is written.
//
// Nothing that exists is overwritten: where there are manifests, also in a directory such as
// k8s or deploy, none are written, and where settings are given, no .env. Returns the changes,
// which Dagger shows and asks to apply where you are.
//
//	dagger call init
//	dagger -y call init                # without the question
//	dagger -y call init --ci github    # whatever the module's path says
//
// +cache="never"
func (s *Slipway) Init(
	ctx context.Context,
	// The directory you call from.
	workspace *dagger.Workspace,
	// CI file to write: github, gitlab or none. Default: that of the host in the Go module's path, if the
	// source is the repository and has no CI.
	//
	// +optional
	ci string,
) (*dagger.Changeset, error) {
	if !slices.Contains([]string{"", "github", "gitlab", "none"}, ci) {
		return nil, fmt.Errorf("--ci %q is not known: give github, gitlab or none", ci)
	}
	name, err := s.releaseName(ctx)
	if err != nil {
		return nil, err
	}
	n, _, err := s.smokeYAML(ctx)
	if err != nil {
		return nil, err
	}
	port, err := s.port(ctx)
	if err != nil {
		return nil, err
	}
	module, err := s.module(ctx)
	if err != nil {
		return nil, err
	}
	manifests, err := s.find(ctx, manifestsDir)
	if err != nil {
		return nil, err
	}
	toDeploy := manifests == "" && s.ManifestsDir == nil
	if toDeploy {
		found, err := s.elsewhere(ctx)
		if err != nil {
			return nil, err
		}
		if kept := slices.Concat(found.Usual(module), found.Usual(s.Dir)); len(kept) > 0 {
			toDeploy = false
			slices.Sort(kept)
			fmt.Fprintf(os.Stderr, "note: no manifests are written, as there are some in %s: see --manifests\n", s.seen(slices.Compact(kept)))
		}
	}
	if toDeploy && !within(module, s.Dir) {
		return nil, fmt.Errorf("the manifests belong to the Go module, above where you are: call init in its directory, with --package ./%s",
			strings.TrimPrefix(s.Dir, module+"/"))
	}
	files := map[string]string{}
	if err := s.addCI(ctx, ci, files); err != nil {
		return nil, err
	}

	found, err := s.survey(ctx, port, n.StartLimit())
	if err != nil {
		return nil, err
	}
	service := scaffold.Service{Name: name, Port: port, Args: n.Args, Env: n.Env, Secrets: n.Secrets}.
		WithProbes(found.Answers)
	if n.Start != "" {
		service.Start = n.StartLimit()
	}
	if toDeploy {
		written, err := service.Manifests()
		if err != nil {
			return nil, err
		}
		for file, text := range written {
			files[path.Join(module, manifestsDir, file)] = text
		}
	}
	if err := s.addSmoke(ctx, service, found, files); err != nil {
		return nil, err
	}
	if err := s.addSettings(ctx, service, files); err != nil {
		return nil, err
	}
	return s.lacking(ctx, workspace, files)
}

// surveyed is what the smoke helper says of a running service.
type surveyed struct {
	Answers []scaffold.Probe
	Drains  bool
}

// survey runs the service and asks it for the paths that services have by custom.
func (s *Slipway) survey(ctx context.Context, port int, limit time.Duration) (surveyed, error) {
	var found surveyed
	ctr, err := s.running(ctx, "init")
	if err != nil {
		return found, err
	}
	service, err := s.watched(ctx, ctr, port)
	if err != nil {
		return found, err
	}
	out, err := dag.Container().
		WithFile("/smoke", s.helper("smoke")).
		WithServiceBinding("service", service).
		WithExec(append([]string{
			"/smoke", "survey", fmt.Sprintf("http://service:%d", port), fmt.Sprintf("http://service:%d", smokePort), limit.String(),
		}, scaffold.Paths()...)).
		Stdout(ctx)
	if err != nil {
		return found, fmt.Errorf("the service does not run as it should:\n%w", execCause(err))
	}
	return found, json.Unmarshal([]byte(out), &found)
}

// within says whether a directory of the source is another, or is below it.
func within(dir, other string) bool {
	return other == "." || dir == other || strings.HasPrefix(dir, other+"/")
}

// addCI adds the CI file for a host of repositories. Which that is, is asked of the
// module's path where nobody says it, and then only a repository that has no CI gets one.
func (s *Slipway) addCI(ctx context.Context, host string, files map[string]string) error {
	asked := host != ""
	if !asked {
		module, err := s.modulePath(ctx)
		if err != nil {
			return err
		}
		host = scaffold.Host(module)
	}
	if host == "" || host == "none" {
		return nil
	}
	file, existing := scaffold.CIFile(host)
	if s.Dir != "." {
		if asked {
			return fmt.Errorf("%s belongs to the top of the repository: call init there, with --package ./%s", file, path.Join(s.Dir, s.Package))
		}
		return nil
	}
	if !asked {
		repository, err := s.Git.Exists(ctx, ".git")
		if err != nil || !repository {
			return err
		}
		there, err := s.Source.Exists(ctx, existing)
		if err != nil || there {
			return err
		}
	}
	text, err := scaffold.CI(host, s.Package)
	files[file] = text
	return err
}

// addSmoke adds a smoke.yaml of what the service answered.
func (s *Slipway) addSmoke(ctx context.Context, service scaffold.Service, found surveyed, files map[string]string) error {
	pkg, err := s.mainPackage(ctx)
	if err != nil {
		return err
	}
	smoke, err := service.Smoke(found.Answers, found.Drains)
	if smoke != "" {
		files[path.Join(pkg, smokeFile)] = smoke
	}
	return err
}

// addSettings adds a .env where the caller stands, since Dagger takes the nearest: unless
// there is one further up, or one that the module does not see has set something.
func (s *Slipway) addSettings(ctx context.Context, service scaffold.Service, files map[string]string) error {
	if s.Kubeconfig != nil || s.Repository != "" {
		return nil
	}
	for dir := s.Dir; ; dir = path.Dir(dir) {
		there, err := s.Source.Exists(ctx, path.Join(dir, settingsFile))
		if err != nil || there {
			return err
		}
		if dir == "." {
			break
		}
	}
	var err error
	if service.Set, err = s.toSet(ctx); err != nil {
		return err
	}
	text, err := service.Settings()
	files[path.Join(s.Dir, settingsFile)] = text
	return err
}

// toSet are the settings without which later calls would make another image than this one,
// or none.
func (s *Slipway) toSet(ctx context.Context) ([]scaffold.Setting, error) {
	var all []scaffold.Setting
	set := func(name, value string) {
		if value != "" {
			all = append(all, scaffold.Setting{Name: name, Value: value})
		}
	}
	set("PACKAGE", s.packageSetting())
	set("RELEASE", s.ReleaseAs)
	if tags := strings.Join(s.Tags, ","); tags != defaultTags {
		set("TAGS", tags)
	}
	set("LINKVARS", strings.Join(s.LinkVars, ","))
	if s.Cgo != nil {
		set("CGO", strconv.FormatBool(*s.Cgo))
	}
	platforms := strings.Join(s.Platforms, ",")
	if platforms == defaultPlatforms && s.withCgo() {
		own, err := s.supported(ctx, "")
		if err != nil {
			return nil, err
		}
		platforms = own.Name
	}
	if platforms != defaultPlatforms {
		set("PLATFORMS", platforms)
	}
	set("BASE", s.Base)
	set("GOPROXY", s.GoProxy)
	set("GOPRIVATE", s.GoPrivate)
	return all, nil
}

// lacking are the changes that make these files, given by their path in the source, of
// those that are neither there nor where the caller stands, where the changes are made.
func (s *Slipway) lacking(ctx context.Context, workspace *dagger.Workspace, files map[string]string) (*dagger.Changeset, error) {
	before := dag.Directory()
	after := before
	here := workspace.Directory(".", dagger.WorkspaceDirectoryOpts{Include: slices.Collect(maps.Keys(files))})
	for _, file := range slices.Sorted(maps.Keys(files)) {
		there, err := s.Source.Exists(ctx, file)
		if err != nil {
			return nil, err
		}
		to := file
		if s.Dir != "." {
			to = strings.TrimPrefix(file, s.Dir+"/")
		} else if !there {
			if there, err = here.Exists(ctx, to); err != nil {
				return nil, err
			}
		}
		if !there {
			after = after.WithNewFile(to, files[file])
		}
	}
	return after.Changes(before), nil
}
