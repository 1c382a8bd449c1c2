package apart

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

const child = "SLIPWAY_APART_CHILD"

// What a program starts finds nothing of it: neither a way past what makes its output harmless,
// nor its environment and memory. What belongs to itself it finds.
func TestKeep(t *testing.T) {
	if os.Getenv(child) == "" {
		self := exec.Command("/proc/self/exe", "-test.run=^TestKeep$", "-test.v")
		self.Env = append(os.Environ(), child+"=1")
		self.Dir = "/"
		if os.Geteuid() == 0 { // Here it has capabilities that it has in no container.
			self.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		}
		if out, err := self.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if err := Keep(); err != nil {
		t.Fatal(err)
	}
	for what, try := range map[string]string{
		"output": "echo it >>/proc/%d/fd/1", "complaints": "echo it >>/proc/%d/fd/2",
		"environment": "cat /proc/%d/environ >/dev/null", "memory": "head -c 1 /proc/%d/mem",
	} {
		out, err := exec.Command("sh", "-c", fmt.Sprintf(try, os.Getpid())).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "ermission denied") {
			t.Errorf("%s: %v %s", what, err, out)
		}
	}
	if out, err := exec.Command("sh", "-c", "cat /proc/$$/environ >/dev/null && echo out >/dev/stdout").CombinedOutput(); err != nil {
		t.Errorf("its own: %v %s", err, out)
	}
}
