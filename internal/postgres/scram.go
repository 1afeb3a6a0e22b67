package postgres

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"

	"golang.org/x/text/secure/precis"
)

const (
	scramIterations = 4096
	scramSaltBytes  = 16
)

// Verifier is what PostgreSQL stores of a password (RFC 5803): whoever reads it in a log cannot log in
// with it.
type Verifier string

// NewVerifier makes a verifier of a password with a new salt.
func NewVerifier(password string) (Verifier, error) {
	salt := make([]byte, scramSaltBytes)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make salt: %w", err)
	}
	return newVerifier(password, salt, scramIterations)
}

func newVerifier(password string, salt []byte, iterations int) (Verifier, error) {
	// As PostgreSQL and its clients do: what SASLprep refuses is taken as it is.
	prepared, err := precis.OpaqueString.String(password)
	if err != nil {
		prepared = password
	}
	salted, err := pbkdf2.Key(sha256.New, prepared, salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive key: %w", err)
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	encode := base64.StdEncoding.EncodeToString
	verifier := fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s",
		iterations, encode(salt), encode(stored[:]), encode(mac(salted, "Server Key")))
	return Verifier(verifier), nil
}

func mac(key []byte, message string) []byte {
	digest := hmac.New(sha256.New, key)
	digest.Write([]byte(message))
	return digest.Sum(nil)
}

// verifierShape has no character that SQL gives a meaning to.
var verifierShape = regexp.MustCompile(`^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$`)

// literal is the verifier in SQL, where no parameter is possible.
func (v Verifier) literal() (string, error) {
	if !verifierShape.MatchString(string(v)) {
		return "", fmt.Errorf("quote verifier: it is none of SCRAM-SHA-256")
	}
	return "'" + string(v) + "'", nil
}
