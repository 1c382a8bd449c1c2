// Command k3s is a Kubernetes cluster of one node, with the command line and the behaviour of the
// image rancher/k3s as far as Slipway's tests use them. It is Kubernetes' own code in one program,
// which starts itself under the names of the components.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/version"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
	"slipway/lab/kubernetes/node"

	_ "k8s.io/client-go/plugin/pkg/client/auth"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

const usage = `usage: k3s COMMAND

  server [flags]   run a cluster of one node until told to stop
  kubectl ...      the Kubernetes command line
  --version
`

func main() {
	if name := filepath.Base(os.Args[0]); components[name] != nil {
		components[name]()
	}
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	switch os.Args[1] {
	case "server":
		os.Exit(node.Server(os.Args[2:]))
	case "kubectl":
		os.Args = os.Args[1:]
		kubectl()
	case "--version", "-v":
		fmt.Printf("k3s version %s\ngo version %s\n", version.Get().GitVersion, runtime.Version())
	case "--help", "-h", "help":
		fmt.Print(usage)
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
}

// components are the programs that server starts, by the name it gives them. None returns.
var components = map[string]func(){
	node.EnterCommand:         func() { end(node.Enter(os.Args[1:])) },
	node.RunCommand:           func() { end(node.Run(os.Args[1:])) },
	"kubectl":                 kubectl,
	"etcd":                    func() { etcdmain.Main(os.Args); os.Exit(0) },
	"kube-apiserver":          func() { run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() { run(controllers.NewControllerManagerCommand()) },
	"kube-scheduler":          func() { run(scheduler.NewSchedulerCommand()) },
	"kubelet":                 func() { run(kubelet.NewKubeletCommand(context.Background())) },
	"kube-proxy":              func() { run(proxy.NewProxyCommand()) },
}

func run(c *cobra.Command) { os.Exit(cli.Run(c)) }

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "k3s:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func kubectl() {
	const written = "/etc/rancher/k3s/k3s.yaml"
	if _, err := os.Stat(written); err == nil && os.Getenv("KUBECONFIG") == "" {
		_ = os.Setenv("KUBECONFIG", written)
	}
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
	os.Exit(0)
}
