//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const activityJSON = "application/activity+json"

// tunnel is a way to an edge pod, as the public would ask it.
type tunnel struct{ address string }

func (e *environment) tunnel(t *testing.T, region string) tunnel {
	t.Helper()
	command := exec.CommandContext(context.Background(), "kubectl", "-n", namespace, "port-forward", "--address", "127.0.0.1",
		"pod/"+names.EdgeRegion(region)+"-0", ":8080")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill() // it ends only so
		_ = command.Wait()
	})
	line := make([]byte, 200)
	n, err := output.Read(line)
	if err != nil {
		t.Fatalf("no tunnel to the edge of %s: %v", region, err)
	}
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).Find(line[:n])
	if address == nil {
		t.Fatalf("no tunnel to the edge of %s: %s", region, line[:n])
	}
	return tunnel{string(address)}
}

// answer is what a client of the edge sees.
type answer struct {
	status int
	header http.Header
	body   string
}

func (p tunnel) ask(t *testing.T, method, path, body string, header map[string]string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+p.address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = domain
	for name, value := range header {
		if name == "Host" {
			request.Host = value
		}
		request.Header.Set(name, value)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	var content bytes.Buffer
	if _, err := io.Copy(&content, response.Body); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{response.StatusCode, response.Header, content.String()}
}

func (p tunnel) get(t *testing.T, path string, header map[string]string) answer {
	t.Helper()
	got := p.ask(t, http.MethodGet, path, "", header)
	if got.status != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, got.status, got.body)
	}
	return got
}

// expectCache fails unless the edge's cache did what is expected.
func (a answer) expectCache(t *testing.T, want string) {
	t.Helper()
	if got := a.header.Get("X-Cache"); got != want {
		t.Errorf("X-Cache is %q, want %q", got, want)
	}
}

// post posts a note and returns its path.
func (e *environment) post(t *testing.T, through tunnel, content string) string {
	t.Helper()
	var secret corev1.Secret
	e.get(t, names.AppSecrets(), &secret)
	posted := through.ask(t, http.MethodPost, "/api/notes", fmt.Sprintf(`{"content":%q}`, content), map[string]string{
		"Authorization": "Bearer " + string(secret.Data["admin-token"]),
		"Content-Type":  "application/json",
	})
	path, found := strings.CutPrefix(posted.header.Get("Location"), "https://"+domain)
	if posted.status != http.StatusCreated || !found {
		t.Fatalf("posting a note: %d %s %s", posted.status, posted.header.Get("Location"), posted.body)
	}
	return path
}

func testEdge(t *testing.T, env *environment) {
	east, west := env.tunnel(t, "us-east"), env.tunnel(t, "eu-west")
	activity := map[string]string{"Accept": activityJSON}

	t.Run("ActivityPub through one edge, cached in another region", func(t *testing.T) {
		finger := east.get(t, "/.well-known/webfinger?resource=acct:admin@"+domain, nil)
		if !strings.Contains(finger.body, "https://"+domain+"/users/admin") {
			t.Errorf("WebFinger does not name the actor: %s", finger.body)
		}
		if actor := east.get(t, "/users/admin", activity); !strings.Contains(actor.body, `"inbox"`) {
			t.Errorf("not an actor: %s", actor.body)
		}
		path := env.post(t, east, "Hello from the end-to-end test")
		for _, want := range []string{"MISS", "HIT"} {
			note := west.get(t, path, activity)
			note.expectCache(t, want)
			if !strings.Contains(note.body, "Hello from the end-to-end test") {
				t.Errorf("the note is not what was posted: %s", note.body)
			}
		}
		// Another spelling of the same wish is the same answer.
		west.get(t, path, map[string]string{
			"Accept": `application/ld+json; profile="https://www.w3.org/ns/activitystreams"`}).expectCache(t, "HIT")
		page := west.get(t, path, map[string]string{"Accept": "text/html"})
		page.expectCache(t, "MISS")
		if kind := page.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
			t.Errorf("a browser got %s", kind)
		}
	})
	t.Run("signed and personal requests are never answered from the cache", func(t *testing.T) {
		east.get(t, "/users/admin", activity)
		for name, value := range map[string]string{
			"Authorization": "Bearer somebody", "Cookie": "session=somebody", "Signature": `keyId="x"`, "Signature-Input": "sig1=()",
		} {
			got := east.ask(t, http.MethodGet, "/users/admin", "", map[string]string{"Accept": activityJSON, name: value})
			got.expectCache(t, "BYPASS")
		}
	})
	t.Run("only fingerprinted assets are immutable", func(t *testing.T) {
		front := east.get(t, "/", map[string]string{"Accept": "text/html"})
		if control := front.header.Get("Cache-Control"); strings.Contains(control, "immutable") {
			t.Errorf("the front page is %s", control)
		}
		asset := regexp.MustCompile(`/assets/app\.[0-9a-f]+\.css`).FindString(front.body)
		if asset == "" {
			t.Fatalf("the front page names no asset: %s", front.body)
		}
		got := east.get(t, asset, nil)
		if control := got.header.Get("Cache-Control"); control != "public, max-age=31536000, immutable" {
			t.Errorf("the asset is %s", control)
		}
		again := east.ask(t, http.MethodGet, asset, "", map[string]string{"If-None-Match": got.header.Get("ETag")})
		if again.status != http.StatusNotModified {
			t.Errorf("asking again with the ETag gave %d", again.status)
		}
	})
	t.Run("another host is refused", func(t *testing.T) {
		got := east.ask(t, http.MethodGet, "/", "", map[string]string{"Host": "other.example.edu"})
		if got.status != http.StatusMisdirectedRequest {
			t.Errorf("status is %d", got.status)
		}
	})
}
