package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// backdate is how far clocks of nodes may be apart.
const backdate = time.Hour

// certificate is a leaf that was read.
type certificate struct {
	*x509.Certificate

	leaf Leaf
}

// issued is when a certificate of ours was made.
func (c certificate) issued() time.Time { return c.NotBefore.Add(backdate) }

// authority is one that was read.
type authority struct {
	*x509.Certificate

	pair Pair
	key  any
}

// signed says whether a certificate is of this authority.
func (a authority) signed(c certificate) bool { return c.CheckSignatureFrom(a.Certificate) == nil }

// trusted says whether the authority is among those published with a leaf.
func (a authority) trusted(c certificate) bool {
	return bytes.Contains(c.leaf.Trust, a.pair.Certificate)
}

func parse(pair Pair) (certificate, error) {
	both, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		return certificate{}, fmt.Errorf("read certificate and key: %w", err)
	}
	return certificate{Certificate: both.Leaf, leaf: Leaf{Pair: pair}}, nil
}

func parseAuthorities(pairs []Pair) ([]authority, error) {
	authorities := make([]authority, 0, len(pairs))
	for _, pair := range pairs {
		both, err := tls.X509KeyPair(pair.Certificate, pair.Key)
		if err != nil {
			return nil, fmt.Errorf("read authority: %w", err)
		}
		if !both.Leaf.IsCA {
			return nil, errors.New("read authority: its certificate is none of an authority")
		}
		authorities = append(authorities, authority{both.Leaf, pair, both.PrivateKey})
	}
	return authorities, nil
}

// parseLeaves reads those that are wanted.
func parseLeaves(leaves map[string]Leaf, names map[string][]string) (map[string]certificate, error) {
	parsed := map[string]certificate{}
	for name := range names {
		leaf, exists := leaves[name]
		if !exists {
			continue
		}
		c, err := parse(leaf.Pair)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c.leaf = leaf
		parsed[name] = c
	}
	return parsed, nil
}

func (p Policy) appendAuthority(now time.Time, authorities []authority) ([]authority, error) {
	template, key, err := template(now, p.Authority)
	if err != nil {
		return nil, err
	}
	template.Subject = pkix.Name{CommonName: "fediflow " + template.SerialNumber.Text(36)[:8]}
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	pair, err := sign(template, template, key, key)
	if err != nil {
		return nil, err
	}
	made, err := parseAuthorities([]Pair{pair})
	return append(authorities, made...), err
}

func (p Policy) issue(now time.Time, issuer authority, dnsNames []string) (Pair, error) {
	template, key, err := template(now, p.Leaf)
	if err != nil {
		return Pair{}, err
	}
	if template.NotAfter.After(issuer.NotAfter) {
		template.NotAfter = issuer.NotAfter
	}
	template.DNSNames = dnsNames
	template.KeyUsage = x509.KeyUsageDigitalSignature
	// Patroni shows its certificate to the other members, too.
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	return sign(template, issuer.Certificate, key, issuer.key)
}

func template(now time.Time, lifetime time.Duration) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, fmt.Errorf("make serial number: %w", err)
	}
	now = now.UTC().Truncate(time.Second)
	return &x509.Certificate{
		SerialNumber: serial.SetBit(serial, 126, 1),
		NotBefore:    now.Add(-backdate), NotAfter: now.Add(lifetime),
	}, key, nil
}

func sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey, signer any) (Pair, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return Pair{}, fmt.Errorf("sign certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("marshal key: %w", err)
	}
	return Pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}, nil
}

// Check says when a leaf expires, or what is wrong with it: it must be valid, trusted by its own
// authorities, and for every name.
func Check(now time.Time, leaf Leaf, dnsNames []string) (time.Time, error) {
	both, err := tls.X509KeyPair(leaf.Certificate, leaf.Key)
	if err != nil {
		return time.Time{}, fmt.Errorf("read certificate and key: %w", err)
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	if !roots.AppendCertsFromPEM(leaf.Trust) {
		return time.Time{}, errors.New("ca.crt holds no certificate")
	}
	intermediates.AppendCertsFromPEM(leaf.Certificate)
	for _, name := range dnsNames {
		_, err := both.Leaf.Verify(x509.VerifyOptions{
			DNSName: name, Roots: roots, Intermediates: intermediates, CurrentTime: now,
		})
		if err != nil {
			return time.Time{}, fmt.Errorf("verify for %s: %w", name, err)
		}
	}
	return both.Leaf.NotAfter, nil
}

// Digest identifies a certificate by its encoding.
func Digest(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:8])
}

// DigestPEM is the Digest of the first certificate in a text.
func DigestPEM(text []byte) string {
	block, _ := pem.Decode(text)
	if block == nil {
		return ""
	}
	return Digest(block.Bytes)
}
