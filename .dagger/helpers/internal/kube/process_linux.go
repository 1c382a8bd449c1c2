package kube

import (
	"os"
	"os/exec"
	"syscall"
)

// detach keeps a Ctrl-C at the terminal from a child, which is still needed to clean
// up, and has the child end with this program, however that ends.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// kill ends a detached child and the children that it has.
func kill(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
