package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
)

// NewHTTP is a client for servers that are dialled by IP address and must show a certificate of the
// given name by one of the authorities, which are in PEM.
func NewHTTP(authorities, serverName string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: NewTLS(authorities, serverName),
		// The next question may be for another certificate.
		DisableKeepAlives: true,
	}}
}

// NewTLS accepts servers that show a certificate of this name by one of the authorities.
func NewTLS(authorities, serverName string) *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(authorities))
	return &tls.Config{RootCAs: roots, ServerName: serverName, MinVersion: tls.VersionTLS13}
}

// Certificate is what the member shows, in its encoding.
func (c *Client) Certificate(ctx context.Context) ([]byte, error) {
	connection, err := c.ask(ctx, http.MethodGet, "/patroni", nil)
	if err != nil {
		return nil, err
	}
	if connection == nil || len(connection.PeerCertificates) == 0 {
		return nil, errors.New("GET /patroni: the member shows no certificate")
	}
	return connection.PeerCertificates[0].Raw, nil
}
