package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority is the cluster's certificate authority. It and the key that signs service accounts stay
// with the cluster's state; all other certificates are made anew at every start, so that they always
// hold the node's present name and address.
type authority struct {
	dir  string
	cert *x509.Certificate
	pem  []byte
	key  *ecdsa.PrivateKey
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func openAuthority(dir string) (*authority, error) {
	a := &authority{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(a.path("ca.crt"), a.path("ca.key"))
	if errors.Is(err, fs.ErrNotExist) {
		template := certificate("k3s-server-ca")
		template.IsCA, template.BasicConstraintsValid = true, true
		template.KeyUsage |= x509.KeyUsageCertSign
		template.NotAfter = time.Now().AddDate(10, 0, 0)
		if a.key, err = a.newKey("ca"); err != nil {
			return nil, err
		}
		if _, err := a.write("ca.crt", template, template, &a.key.PublicKey); err != nil {
			return nil, err
		}
		sa, err := a.newKey("service-account")
		if err != nil {
			return nil, err
		}
		public, err := x509.MarshalPKIXPublicKey(&sa.PublicKey)
		if err != nil {
			return nil, err
		}
		if _, err := a.writePEM("service-account.pub", "PUBLIC KEY", public); err != nil {
			return nil, err
		}
		pair, err = tls.LoadX509KeyPair(a.path("ca.crt"), a.path("ca.key"))
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	a.cert, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	return a, nil
}

func certificate(name string, groups ...string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // reads from the kernel, which does not fail
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name, Organization: groups},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// serve issues a certificate for a server of the given names and addresses.
func (a *authority) serve(name string, hosts ...string) error {
	template := certificate(name)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	_, _, err := a.issue(name, template)
	return err
}

// client issues a certificate that authenticates a user, and returns the kubeconfig that holds it.
func (a *authority) client(name, server, user string, groups ...string) ([]byte, error) {
	template := certificate(user, groups...)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	cert, key, err := a.issue(name, template)
	if err != nil {
		return nil, err
	}
	type object = map[string]any
	const entry = "default"
	config, err := json.MarshalIndent(object{
		"apiVersion":      "v1",
		"kind":            "Config",
		"clusters":        []object{{"name": entry, "cluster": object{"server": server, "certificate-authority-data": a.pem}}},
		"users":           []object{{"name": entry, "user": object{"client-certificate-data": cert, "client-key-data": key}}},
		"contexts":        []object{{"name": entry, "context": object{"cluster": entry, "user": entry}}},
		"current-context": entry,
		"preferences":     object{},
	}, "", "  ")
	if err != nil {
		return nil, err
	}
	return config, os.WriteFile(a.path(name+".kubeconfig"), config, 0o600)
}

func (a *authority) issue(name string, template *x509.Certificate) (cert, key []byte, err error) {
	private, err := a.newKey(name)
	if err != nil {
		return nil, nil, err
	}
	if cert, err = a.write(name+".crt", template, a.cert, &private.PublicKey); err != nil {
		return nil, nil, err
	}
	key, err = os.ReadFile(a.path(name + ".key"))
	return cert, key, err
}

func (a *authority) write(file string, template, parent *x509.Certificate, public *ecdsa.PublicKey) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		return nil, err
	}
	return a.writePEM(file, "CERTIFICATE", der)
}

func (a *authority) newKey(name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	_, err = a.writePEM(name+".key", "EC PRIVATE KEY", der)
	return key, err
}

func (a *authority) writePEM(file, kind string, der []byte) ([]byte, error) {
	content := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	return content, os.WriteFile(a.path(file), content, 0o600)
}
