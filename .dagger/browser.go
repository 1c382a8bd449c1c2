package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"dagger/slipway/internal/dagger"
)

const (
	// browserTests is the directory in the package's with the tests for a browser.
	browserTests = "browser"
	// browserPort is where Chromium is driven from.
	browserPort = 9222
	// screenshots is where the tests leave theirs.
	screenshots = "/screenshots"
)

// balanced are the numbers of pods that a page is looked at with: two, which is
// what a reader will try, and so many that a list of them gets long.
var balanced = []int{2, 12}

// Test the service's pages in headless Chromium.
//
// Twelve containers of the service run, with the environment variable POD_NAME
// from pod-01 to pod-12, and before them what a Service is in a cluster: every
// connection goes to the next of the first 2, or of all 12.
//
// The tests are those of the Go module in browser/ in the package's directory,
// which find Chromium's address in $BROWSER, those of the service in $SERVICE_2
// and $SERVICE_12, and a directory for pictures in $SCREENSHOTS. Without that
// directory there is nothing to test. Returns one line per test. A failure says
// of each what was expected and what was seen.
//
//	dagger call browser
//
// +check
func (s *Slipway) Browser(ctx context.Context) (string, error) {
	tests, err := s.browserTests(ctx)
	if err != nil {
		return "", err
	}
	if tests == nil {
		return "no browser tests: there is no " + browserTests + "/go.mod beside the main package\n", nil
	}
	out, err := tests.Stdout(ctx)
	if err != nil {
		return "", fmt.Errorf("the service's pages do not work as they should:\n%s", results(execCause(err).Error()))
	}
	return results(out), nil
}

// Pictures of the service's pages, as the browser tests take them.
//
// Fails where browser fails, and where there are no browser tests.
//
//	dagger call screenshots export --path docs
func (s *Slipway) Screenshots(ctx context.Context) (*dagger.Directory, error) {
	tests, err := s.browserTests(ctx)
	if err != nil {
		return nil, err
	}
	if tests == nil {
		return nil, errors.New("there are no browser tests to take pictures: write some beside the main package, as browser --help says")
	}
	if tests, err = tests.Sync(ctx); err != nil {
		return nil, fmt.Errorf("the service's pages do not work as they should:\n%s", results(execCause(err).Error()))
	}
	return tests.Directory(screenshots), nil
}

// browserTests is the container in which the tests have run, nil if there are none.
func (s *Slipway) browserTests(ctx context.Context) (*dagger.Container, error) {
	pkg, err := s.mainPackage(ctx)
	if err != nil {
		return nil, err
	}
	module := path.Join(pkg, browserTests)
	if there, err := s.Source.Exists(ctx, path.Join(module, "go.mod")); err != nil || !there {
		return nil, err
	}
	ctr, err := s.running(ctx, "browser")
	if err != nil {
		return nil, err
	}
	port, err := s.port(ctx)
	if err != nil {
		return nil, err
	}
	pods, err := s.balancedPods(ctx, ctr, port)
	if err != nil {
		return nil, err
	}
	chromium := dag.Container().From(s.BrowserImage).
		WithExposedPort(browserPort).
		WithServiceBinding("service", pods).
		AsService(dagger.ContainerAsServiceOpts{UseEntrypoint: true})

	tests, err := s.browserCode(ctx, module)
	if err != nil {
		return nil, err
	}
	workspace, err := s.workspace(ctx, testCaches, tests)
	if err != nil {
		return nil, err
	}
	compiled, err := s.quiet(ctx, workspace.WithEnvVariable("CGO_ENABLED", "0"), "go", "test", "-c", "-o", "/out/browser.test", ".")
	if err != nil {
		return nil, fmt.Errorf("the browser tests in %s do not compile:\n%w", module, execCause(err))
	}
	run := dag.Container().
		WithFile("/browser.test", compiled.File("/out/browser.test")).
		WithMountedDirectory("/src", s.Source.Directory(module), dagger.ContainerWithMountedDirectoryOpts{Owner: user + ":" + user}).
		WithWorkdir("/src").
		WithDirectory(screenshots, dag.Directory(), dagger.ContainerWithDirectoryOpts{Owner: user + ":" + user}).
		WithUser(user+":"+user).
		WithEnvVariable("SCREENSHOTS", screenshots).
		WithEnvVariable("BROWSER", fmt.Sprintf("http://chromium:%d", browserPort)).
		WithServiceBinding("chromium", chromium)
	for _, pods := range balanced {
		run = run.WithEnvVariable(fmt.Sprintf("SERVICE_%d", pods), fmt.Sprintf("http://service:%d", balancedPort(pods)))
	}
	return s.shown(run, "/browser.test", "-test.v", "-test.timeout=3m"), nil
}

// browserCode is what is read to compile the browser tests, a module of their own.
func (s *Slipway) browserCode(ctx context.Context, module string) (code, error) {
	tests := *s
	tests.Dir, tests.Package = module, ""
	return tests.packages(ctx)
}

// balancedPods runs as many containers of the service as are ever needed, and
// one that spreads connections over them.
func (s *Slipway) balancedPods(ctx context.Context, ctr *dagger.Container, port int) (*dagger.Service, error) {
	command, err := commandOf(ctx, ctr)
	if err != nil {
		return nil, err
	}
	ctr = ctr.With(s.withShow)
	balance := dag.Container().WithFile("/balance", s.helper("balance"))
	args := []string{"/balance"}
	var addresses []string
	for _, pods := range balanced {
		for len(addresses) < pods {
			name := fmt.Sprintf("pod-%02d", len(addresses)+1)
			addresses = append(addresses, fmt.Sprintf("%s:%d", name, port))
			balance = balance.WithServiceBinding(name, ctr.
				WithEnvVariable("POD_NAME", name).
				AsService(dagger.ContainerAsServiceOpts{Args: show(command...), NoInit: true}))
		}
		balance = balance.WithExposedPort(balancedPort(pods))
		args = append(args, fmt.Sprintf("%d=%s", balancedPort(pods), strings.Join(addresses, ",")))
	}
	return balance.AsService(dagger.ContainerAsServiceOpts{Args: args}), nil
}

// balancedPort is where connections are spread over so many pods.
func balancedPort(pods int) int { return 8000 + pods }

// results are the lines of go test -v that say what came of a test.
func results(out string) string {
	var b strings.Builder
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "=== ") {
			b.WriteString(line)
		}
	}
	return b.String()
}
