//go:build !linux

package render

import (
	"errors"
	"syscall"
)

func nobody() *syscall.SysProcAttr { return nil }

// Offline is only for Linux, where containers are.
func Offline([]string) error {
	return errors.New("nothing can be rendered without a network but on Linux")
}
