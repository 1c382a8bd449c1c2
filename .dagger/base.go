package main

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"dagger/slipway/internal/account"
	"dagger/slipway/internal/dagger"
	"dagger/slipway/internal/platform"
)

const (
	user   = account.ID
	home   = account.Home
	passwd = account.Passwd
	group  = account.Group

	caFile = "/etc/ssl/certs/ca-certificates.crt"
)

// foundation is the image without the program: from nothing, or from the base.
func (s *Slipway) foundation(ctx context.Context, p platform.Platform) (*dagger.Container, error) {
	// Straight from the image, not from a container that ran: the engine may
	// add an organisation's own CAs to the latter, and they are not ours to ship.
	roots := dag.Container().From(s.GoImage).File(caFile)
	ctr := dag.Container(dagger.ContainerOpts{Platform: dagger.Platform(p.Name)})
	if s.Base == "" {
		ctr = ctr.WithFile(caFile, roots).WithNewFile("/etc/passwd", passwd).WithNewFile("/etc/group", group)
	} else {
		var err error
		if ctr, err = s.onBase(ctx, ctr.From(s.Base), p, roots); err != nil {
			return nil, fmt.Errorf("--base %s cannot be used for %s: %w", s.Base, p.Name, execCause(err))
		}
	}
	return ctr.
		WithDirectory("/", dag.Directory().
			WithNewDirectory("tmp", dagger.DirectoryWithNewDirectoryOpts{Permissions: 0o777 | int(fs.ModeSticky)})).
		WithDirectory(home, dag.Directory(), dagger.ContainerWithDirectoryOpts{Owner: user + ":" + user}).
		WithEnvVariable("HOME", home), nil
}

// onBase gives a base what it lacks of what each service has, and takes away what it says of itself
// alone: a port at which the service does not listen, a label that tells of other files.
func (s *Slipway) onBase(ctx context.Context, ctr *dagger.Container, p platform.Platform, roots *dagger.File) (*dagger.Container, error) {
	ref, err := ctr.ImageRef(ctx)
	if err != nil {
		return nil, err
	}
	// An image of one platform alone is taken for any.
	is, err := ctr.Platform(ctx)
	if err != nil {
		return nil, err
	}
	if of, err := platform.Parse(string(is)); err != nil || of != p {
		return nil, fmt.Errorf("it is for %s: give a base for each platform, or --platforms with that one", is)
	}
	there, err := ctr.Exists(ctx, caFile)
	if err != nil {
		return nil, err
	}
	if !there {
		ctr = ctr.WithFile(caFile, roots)
	}
	var texts [2]string
	names := [2]string{"/etc/passwd", "/etc/group"}
	for i, name := range names {
		if there, err = ctr.Exists(ctx, name); err != nil {
			return nil, err
		}
		if there {
			if texts[i], err = ctr.File(name).Contents(ctx); err != nil {
				return nil, err
			}
		}
	}
	newPasswd, newGroup := account.AddTo(texts[0], texts[1])
	for i, text := range [2]string{newPasswd, newGroup} {
		if text != texts[i] {
			ctr = ctr.WithNewFile(names[i], text)
		}
	}
	ports, err := ctr.ExposedPorts(ctx)
	if err != nil {
		return nil, err
	}
	for _, port := range ports {
		number, err := port.Port(ctx)
		if err != nil {
			return nil, err
		}
		protocol, err := port.Protocol(ctx)
		if err != nil {
			return nil, err
		}
		ctr = ctr.WithoutExposedPort(number, dagger.ContainerWithoutExposedPortOpts{Protocol: protocol})
	}
	labels, err := ctr.Labels(ctx)
	if err != nil {
		return nil, err
	}
	for _, label := range labels {
		name, err := label.Name(ctx)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(name, labelPrefix) {
			ctr = ctr.WithoutLabel(name)
		}
	}
	return ctr.WithWorkdir("/").WithLabel(baseLabel, ref), nil
}
