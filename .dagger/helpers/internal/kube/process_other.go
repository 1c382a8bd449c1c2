//go:build !linux

package kube

import (
	"os"
	"os/exec"
)

func detach(*exec.Cmd) {}

func kill(p *os.Process) { _ = p.Kill() }
