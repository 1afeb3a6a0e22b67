// Package postgres asks Patroni to act. It never elects: it sends a wish and returns what Patroni
// answered.
package postgres

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	component "github.com/fediflow/fediflow-operator/internal/component/postgres"
)

// Client talks to the REST API of one member.
type Client struct {
	// Address is the IP of the member's pod.
	Address string
	// Password is that of the REST API.
	Password string
	HTTP     *http.Client
}

// timeout covers a switchover, which Patroni answers when it is done.
const timeout = 30 * time.Second

// PutConfiguration replaces the shared configuration.
func (c *Client) PutConfiguration(ctx context.Context, configuration []byte) error {
	return c.send(ctx, http.MethodPut, "/config", configuration)
}

// Switchover asks for a new leader. Patroni refuses candidates that might lose a write.
func (c *Client) Switchover(ctx context.Context, leader, candidate string) error {
	body, err := json.Marshal(map[string]string{"leader": leader, "candidate": candidate})
	if err != nil {
		return fmt.Errorf("marshal switchover: %w", err)
	}
	return c.send(ctx, http.MethodPost, "/switchover", body)
}

// Reinitialize asks the member to replace its data by a copy of the leader's. Patroni refuses it of a
// leader, and where there is none.
func (c *Client) Reinitialize(ctx context.Context) error {
	return c.send(ctx, http.MethodPost, "/reinitialize", nil)
}

// Reload asks the member to read its local configuration file again.
func (c *Client) Reload(ctx context.Context) error {
	return c.send(ctx, http.MethodPost, "/reload", nil)
}

func (c *Client) send(ctx context.Context, method, path string, body []byte) error {
	_, err := c.ask(ctx, method, path, body)
	return err
}

// ask sends a request and returns the connection's state.
func (c *Client) ask(ctx context.Context, method, path string, body []byte) (*tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	url := "https://" + net.JoinHostPort(c.Address, strconv.Itoa(int(component.PatroniPort))) + path
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	request.SetBasicAuth(component.RestAPIUser, c.Password)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.HTTP.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer response.Body.Close()
	if response.StatusCode < http.StatusMultipleChoices {
		return response.TLS, nil
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err != nil {
		return nil, fmt.Errorf("%s %s: read answer: %w", method, path, err)
	}
	return nil, fmt.Errorf("%s %s: status %d: %s", method, path, response.StatusCode, answer)
}
