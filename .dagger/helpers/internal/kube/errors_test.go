package kube

import (
	"errors"
	"testing"
)

// What the first failed request says to do.
func TestUnreachable(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"a way that leads nowhere": {&StatusError{Code: 502, Message: "EOF"},
			"the connection is closed at once (EOF): is the cluster running, and does --api-server, or else the kubeconfig, name its current address"},
		"reset":        {errors.New("read tcp 127.0.0.1:1: connection reset by peer"), "is closed at once"},
		"refused":      {&StatusError{Code: 502, Message: "dial tcp 127.0.0.1:1: connect: connection refused"}, "nothing answers there"},
		"unauthorized": {&StatusError{Code: 401, Reason: "Unauthorized"}, "it does not accept the kubeconfig's credentials"},
		"anonymous": {&StatusError{Code: 403, Reason: "Forbidden", Message: `forbidden: User "system:anonymous" cannot get path "/apis"`},
			"it does not know whose the kubeconfig's credentials are: get a new kubeconfig, or give --credential"},
		"forbidden": {&StatusError{Code: 403, Reason: "Forbidden", Message: `forbidden: User "ann" cannot get path "/apis"`}, "may not even list API kinds"},
		"untrusted": {&StatusError{Code: 502, Message: "x509: certificate signed by unknown authority"}, "is not the one the kubeconfig trusts"},
	} {
		t.Run(name, func(t *testing.T) { contains(t, unreachable(test.err), test.want) })
	}
}
