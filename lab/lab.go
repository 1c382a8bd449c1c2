package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

const defaultInstance = "default"

// Lab is the test bed on this machine, as one instance sees it.
type Lab struct {
	cache    string // ${XDG_CACHE_HOME:-~/.cache}/slipway/lab
	instance string
	steps    *Steps
	engine   Engine
	cluster  Cluster
	registry Registry
}

func newLab(source, instance string) (*Lab, error) {
	if source == "" {
		return nil, fmt.Errorf("run lab/run, which says where the lab's source is")
	}
	if instance == "" {
		instance = defaultInstance
	}
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`).MatchString(instance) {
		return nil, fmt.Errorf("SLIPWAY_LAB=%q: an instance is named with lower-case letters, digits and dashes", instance)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	// An earlier lab, or somebody's mkdir, may have left it open.
	for _, dir := range []string{"", "bin", "clusters", "engines", "parts"} {
		if err := closed(filepath.Join(cache, "slipway", "lab", dir), 0o700); err != nil && !os.IsNotExist(err) {
			return nil, err
		}
	}
	l := &Lab{cache: filepath.Join(cache, "slipway", "lab"), instance: instance}
	l.steps = &Steps{Cache: l.cache, Source: source, Say: say}
	l.engine = engineOf(l.cache, instance)
	l.cluster = clusterOf(l.cache, instance)
	l.registry = Registry{Daemon{filepath.Join(l.cache, "registry"), registryDaemon}}
	// The kernel's limit for the path of a socket.
	if len(l.engine.socket()) > 107 {
		return nil, fmt.Errorf("%s is too long for a socket; set XDG_CACHE_HOME to a shorter directory", l.engine.socket())
	}
	return l, nil
}

func engineOf(cache, instance string) Engine {
	return Engine{Daemon{filepath.Join(cache, "engines", instance), engineDaemon}}
}

// engines are all instances that ever ran.
func (l *Lab) engines() []Engine {
	dirs, _ := filepath.Glob(filepath.Join(l.cache, "engines", "*", "state"))
	var all []Engine
	for _, dir := range dirs {
		all = append(all, engineOf(l.cache, filepath.Base(filepath.Dir(dir))))
	}
	return all
}

// targets are the steps an engine with its images needs.
func targets() []*Step {
	steps := []*Step{engineRoot, goSDKImage, daggerPrograms}
	for _, image := range images {
		if !image.OnDemand {
			steps = append(steps, image.Step)
		}
	}
	return steps
}

// allTargets are targets and what is otherwise built on demand.
func allTargets() []*Step {
	steps := append(targets(), k3sRoot)
	for _, image := range images {
		if image.OnDemand {
			steps = append(steps, image.Step)
		}
	}
	return steps
}

func imageParts(s *Steps) []string {
	var parts []string
	for _, image := range images {
		parts = append(parts, s.Part(image.Step))
	}
	return parts
}

// program identifies the lab itself, so that daemons of an older one are replaced.
func program() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return filepath.Base(path)
}

func (l *Lab) registryKey() string {
	return strings.Join(append([]string{program()}, imageParts(l.steps)...), " ")
}

func (l *Lab) engineKey(registryAddress string) string {
	return strings.Join([]string{program(), l.steps.Part(engineRoot), l.steps.Part(goSDKImage), registryAddress}, " ")
}

// Up builds what is missing of the given steps and starts what is not running. With everything up it
// only looks.
func (l *Lab) Up(ctx context.Context, steps []*Step) error {
	missing, err := l.steps.Missing(steps...)
	if err != nil {
		return err
	}
	if len(missing) == 0 && l.running() {
		return nil
	}
	if err := preflight(ctx, l.cache, len(missing) > 0); err != nil {
		return err
	}
	if len(missing) > 0 {
		names := make([]string, len(missing))
		for i, s := range missing {
			names[i] = s.About
		}
		say("building %s%s", strings.Join(names, ", "), howLong(missing))
	}
	if err := l.steps.Ensure(ctx, missing...); err != nil {
		return err
	}
	lock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := l.steps.again().Ensure(ctx, steps...); err != nil {
		return err
	}
	if err := l.start(ctx); err != nil {
		return err
	}
	return l.prune(ctx)
}

// lock is held by whoever starts or stops daemons.
func (l *Lab) lock(ctx context.Context) (*os.File, error) {
	return Lock(ctx, filepath.Join(l.cache, "locks", "daemons"), 6*time.Minute, func() {
		say("waiting for another run that is starting or stopping the lab")
	})
}

func (l *Lab) running() bool {
	r, alive := l.registry.Record()
	return alive && r.Key == l.registryKey() && dials("tcp", r.Address) && l.engine.Serving(l.engineKey(r.Address))
}

func (l *Lab) start(ctx context.Context) error {
	address, err := l.registry.Ensure(ctx, l.registryKey(), l.steps)
	if err != nil {
		return err
	}
	key := l.engineKey(address)
	// A run that was killed may have left an engine that is still starting.
	if r, alive := l.engine.Record(); alive && r.Key == key && l.engine.AwaitServing(ctx) == nil {
		return nil
	}
	if err := l.engine.Stop(ctx); err != nil {
		return err
	}
	begin := time.Now()
	root, sdk := l.steps.Part(engineRoot), l.steps.Part(goSDKImage)
	network, err := l.network()
	if err != nil {
		return err
	}
	config, err := engineConfig(address)
	if err != nil {
		return err
	}
	_, digest, err := readImage(sdk)
	if err != nil {
		return err
	}
	env, err := engineEnv(ctx, digest.String())
	if err != nil {
		return err
	}
	spec := engineSpec{Root: root, Content: sdk, Dir: l.engine.dir, Network: network, Config: config, Env: env}
	if err := l.engine.Start(ctx, key, spec, []string{root, sdk}); err != nil {
		return err
	}
	say("engine %s: started in %.1f s", l.instance, time.Since(begin).Seconds())
	return nil
}

// network is what the instance's engine calls its own on this machine. Two caches may both have
// an instance of one name, so the name is made from both; it must fit an interface's 15 characters.
func (l *Lab) network() (Network, error) {
	h := fnv.New32a()
	fmt.Fprint(h, l.engine.dir)
	first := 0
	if l.instance != defaultInstance {
		first = 1 + int(h.Sum32()%60)
	}
	cidr, err := freeCIDR(first)
	return Network{Name: fmt.Sprintf("slip%08x", h.Sum32()), CIDR: cidr}, err
}

// prune removes parts of earlier keys that nothing running uses.
func (l *Lab) prune(ctx context.Context) error {
	var keep []string
	for _, s := range closure(allTargets()) {
		keep = append(keep, l.steps.Part(s))
	}
	for _, e := range l.engines() {
		if r, alive := e.Record(); alive {
			keep = append(keep, r.Parts...)
		}
	}
	for _, c := range l.clusters() {
		if r, alive := c.Record(); alive {
			keep = append(keep, r.Parts...)
		}
	}
	if r, alive := l.registry.Record(); alive {
		keep = append(keep, r.Parts...)
	}
	parts, err := filepath.Glob(filepath.Join(l.cache, "parts", "*-????????????????"))
	if err != nil {
		return err
	}
	for _, part := range parts {
		if slices.Contains(keep, part) || strings.HasPrefix(filepath.Base(part), ".") {
			continue
		}
		say("removing %s, which is no longer used", filepath.Base(part))
		if err := os.RemoveAll(part); err != nil {
			return err
		}
	}
	return ctx.Err()
}
