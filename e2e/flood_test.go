package e2e

import (
	"os/exec"
	"testing"
)

// The example service stays under its memory limit whatever its clients do. Its own
// test says so, but dagger call unit runs tests without the modules to build a service.
func TestFlood(t *testing.T) {
	test := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run=^TestFlood$", "-v", "./service")
	test.Dir = ".."
	out, err := test.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}
