package render

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// nobody is who may read what everybody may, if this program may choose: root can.
func nobody() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	return attr
}

// The numbers of the kernel, from linux/prctl.h, linux/seccomp.h, linux/audit.h and
// linux/filter.h.
const (
	prSetSeccomp      = 22
	prSetNoNewPrivs   = 38
	seccompModeFilter = 2

	returnAllow = 0x7fff0000
	returnErrno = 0x00050000
	returnKill  = 0x80000000

	ioUringSetup = 425 // opens sockets too; the same number everywhere
	x32Bit       = 0x40000000

	offsetNumber = 0
	offsetArch   = 4
)

// machine is how the kernel calls a processor, and the number by which a program
// opens a socket there.
var machine = map[string]struct{ arch, socket uint32 }{
	"amd64": {0xc000003e, 41},
	"arm64": {0xc00000b7, 198},
}

// Offline turns this program into another one that has no way to open a socket, be it
// to the network or to a neighbour, and a bounded memory: the kernel refuses, to it and to
// all it starts. It returns only if that fails.
func Offline(args []string) error {
	m, known := machine[runtime.GOARCH]
	if !known || len(args) == 0 {
		return errors.New("nothing can be rendered without a network on " + runtime.GOARCH)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: maxMemory, Max: maxMemory}); err != nil {
		return fmt.Errorf("the kernel does not bound a program's memory: %w", err)
	}
	load := func(offset uint32) syscall.SockFilter {
		return syscall.SockFilter{Code: syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS, K: offset}
	}
	// A jump to as many instructions ahead as yes and no say.
	jump := func(test uint16, k uint32, yes, no uint8) syscall.SockFilter {
		return syscall.SockFilter{Code: syscall.BPF_JMP | test | syscall.BPF_K, Jt: yes, Jf: no, K: k}
	}
	end := func(result uint32) syscall.SockFilter {
		return syscall.SockFilter{Code: syscall.BPF_RET | syscall.BPF_K, K: result}
	}
	filter := []syscall.SockFilter{
		load(offsetArch),
		jump(syscall.BPF_JEQ, m.arch, 0, 6), // another processor's numbers: kill
		load(offsetNumber),
		jump(syscall.BPF_JGE, x32Bit, 4, 0), // x32's numbers: kill
		jump(syscall.BPF_JEQ, m.socket, 2, 0),
		jump(syscall.BPF_JEQ, ioUringSetup, 1, 0),
		end(returnAllow),
		end(returnErrno | uint32(syscall.EACCES)),
		end(returnKill),
	}
	program := syscall.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// The filter is of the thread, and what the thread becomes.
	runtime.LockOSThread()
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("the kernel cannot keep a program from the network: %w", errno)
	}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetSeccomp, seccompModeFilter,
		uintptr(unsafe.Pointer(&program)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("the kernel cannot keep a program from the network: %w", errno)
	}
	return fmt.Errorf("%s: %w", args[0], syscall.Exec(args[0], args, os.Environ()))
}
