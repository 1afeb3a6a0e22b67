//go:build e2e && bench

package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/test/failover/report"
)

// auditLog is where the lab's API server says who asked it for what.
const auditLog = "/var/lib/fediflow-lab/logs/control-plane/audit.log"

// requestsAtRest counts what operator and Patroni ask the API server for while nothing happens. Without
// the lab's audit log there is nothing to count.
func requestsAtRest(t *testing.T, during time.Duration) []report.Requests {
	t.Helper()
	accounts := []report.Requests{
		{Account: "system:serviceaccount:" + systemNamespace + ":fediflow-operator"},
		{Account: "system:serviceaccount:" + namespace + ":" + names.Component(plan.Postgres)},
		{Account: "system:serviceaccount:" + plainNamespace + ":" + plainName},
	}
	log, err := os.Open(auditLog)
	if errors.Is(err, fs.ErrNotExist) {
		t.Log("no audit log: requests at rest are not counted")
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if _, err := log.Seek(0, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	t.Logf("counting requests at rest for %s", during)
	time.Sleep(during)
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var entry struct {
			Stage  string `json:"stage"`
			Verb   string `json:"verb"`
			Object struct {
				Resource string `json:"resource"`
			} `json:"objectRef"`
			User struct {
				Username string `json:"username"`
			} `json:"user"`
		}
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			continue // the first and the last line may be parts
		}
		for i := range accounts {
			// A watch is logged when it ends and is no request of its own.
			if entry.User.Username != accounts[i].Account || entry.Stage != "ResponseComplete" || entry.Verb == "watch" {
				continue
			}
			accounts[i].PerMinute += 1 / during.Minutes()
			if entry.Object.Resource == "leases" {
				accounts[i].Leases += 1 / during.Minutes()
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return accounts
}
