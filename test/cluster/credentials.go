package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Users that the API server knows by a token. The names of the last two are those that Kubernetes' own RBAC rules are
// bound to.
const (
	userAdmin             = "headroom:admin"
	userControllerManager = "system:kube-controller-manager"
	userScheduler         = "system:kube-scheduler"
)

// credentials are the keys and tokens of one cluster. They are made anew for each and die with it.
type credentials struct {
	dir    string
	caCert []byte
	tokens map[string]string
}

func (c *credentials) servingCert() string { return filepath.Join(c.dir, "apiserver.crt") }
func (c *credentials) servingKey() string  { return filepath.Join(c.dir, "apiserver.key") }
func (c *credentials) accountKey() string  { return filepath.Join(c.dir, "serviceaccount.key") }
func (c *credentials) tokenFile() string   { return filepath.Join(c.dir, "tokens.csv") }

func newCredentials(dir string, now time.Time) (*credentials, error) {
	c := &credentials{dir: dir, tokens: map[string]string{}}
	servingKey, err := writeKey(c.servingKey())
	if err != nil {
		return nil, err
	}
	if _, err := writeKey(c.accountKey()); err != nil {
		return nil, err
	}
	if err := c.writeServingCert(servingKey, now); err != nil {
		return nil, err
	}
	var lines strings.Builder
	for i, user := range []string{userAdmin, userControllerManager, userScheduler} {
		c.tokens[user] = rand.Text()
		group := ""
		if user == userAdmin {
			group = ",system:masters"
		}
		fmt.Fprintf(&lines, "%s,%s,%d%s\n", c.tokens[user], user, i, group)
	}
	if err := os.WriteFile(c.tokenFile(), []byte(lines.String()), 0o600); err != nil {
		return nil, fmt.Errorf("writing the tokens: %w", err)
	}
	return c, nil
}

func writeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return nil, fmt.Errorf("writing a key: %w", err)
	}
	return key, nil
}

// writeServingCert makes a certificate that signs itself: one file is both the server's certificate and what clients
// trust.
func (c *credentials) writeServingCert(key *ecdsa.PrivateKey, now time.Time) error {
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "headroom-embedded-cluster"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		DNSNames:              []string{"localhost", "kubernetes.default.svc"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("making the API server's certificate: %w", err)
	}
	c.caCert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(c.servingCert(), c.caCert, 0o600); err != nil {
		return fmt.Errorf("writing the API server's certificate: %w", err)
	}
	return nil
}
