// Package postgresql runs a real PostgreSQL for one test, as the operator's image sets it up. It needs
// the programs of Debian's package postgresql.
package postgresql

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a real PostgreSQL of this test's own.
type Server struct {
	Port int32
	// Superuser is a connection past our client, for what an administrator does.
	Superuser *pgx.Conn
}

// Passwords of the roles that log in over the network.
const (
	OwnerPassword    = "of-the-owner"
	OperatorPassword = "of-the-operator"
)

// programs of the newest PostgreSQL of this machine.
func programs(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("no PostgreSQL on this machine: install the package postgresql")
		}
		t.Skip("no PostgreSQL on this machine: install the package postgresql")
	}
	return filepath.Dir(slices.Max(found))
}

// unprivileged are the attributes of PostgreSQL's processes, which refuse to be root's.
func unprivileged(t *testing.T, directory string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(directory, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// startServer starts an empty server and stops it after the test.
func startServer(t *testing.T) *Server {
	t.Helper()
	bin := programs(t)
	directory, err := os.MkdirTemp("", "postgres-test-") //nolint:usetesting // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	account := unprivileged(t, directory)
	data := filepath.Join(directory, "data")
	initdb := exec.CommandContext(t.Context(), filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres",
		"--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "-E", "UTF8", "--locale=C")
	initdb.SysProcAttr = account
	if output, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, output)
	}
	port := freePort(t)
	log, err := os.Create(filepath.Join(directory, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	postmaster := exec.CommandContext(context.Background(), filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(int(port)),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+directory, "-c", "fsync=off",
		"-c", "shared_preload_libraries=pg_stat_statements", "-c", "log_statement=all", "-c", "autovacuum=off")
	postmaster.SysProcAttr, postmaster.Stdout, postmaster.Stderr = account, log, log
	if err := postmaster.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = postmaster.Process.Signal(syscall.SIGQUIT) // at once
		_ = postmaster.Wait()
	})
	s := &Server{Port: port}
	s.Superuser = s.Connect(t, fmt.Sprintf("host=%s port=%d user=postgres dbname=postgres", directory, port))
	return s
}

func freePort(t *testing.T) int32 {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("%v is no TCP address", listener.Addr())
	}
	return int32(address.Port) //nolint:gosec // at most 65535
}

// Connect waits until the server answers.
func (s *Server) Connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		connection, err := pgx.Connect(t.Context(), dsn)
		if err == nil {
			t.Cleanup(func() { _ = connection.Close(context.Background()) })
			return connection
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// Run executes statements as an administrator or, in a connection of their own, as somebody else.
func Run(t *testing.T, connection *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := connection.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// Start starts a server that has the roles that images/postgres makes, and the database of the application.
func Start(t *testing.T) *Server {
	t.Helper()
	s := startServer(t)
	Run(t, s.Superuser,
		"CREATE ROLE fediflow LOGIN PASSWORD '"+OwnerPassword+"'",
		"CREATE ROLE fediflow_operator LOGIN CREATEROLE PASSWORD '"+OperatorPassword+"'",
		"GRANT fediflow TO fediflow_operator",
		"GRANT pg_monitor, pg_read_all_data, pg_read_all_stats, pg_write_all_data TO fediflow_operator WITH ADMIN OPTION",
		"CREATE DATABASE fediflow OWNER fediflow")
	return s
}

// Owner is a connection of the application.
func (s *Server) Owner(t *testing.T) *pgx.Conn {
	t.Helper()
	return s.Connect(t, fmt.Sprintf("host=127.0.0.1 port=%d user=fediflow password=%s dbname=fediflow", s.Port, OwnerPassword))
}
