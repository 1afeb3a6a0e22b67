package postgres

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

// RFC 7677, section 3: user, password "pencil", and what client and server prove to each other. The
// keys are those that make its ClientProof and ServerSignature.
func TestVerifierIsThatOfTheStandard(t *testing.T) {
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := newVerifier("pencil", salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	stored, server := keys(t, verifier)
	message := "n=user,r=rOprNGfwEbeRWgbNEkqO," +
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096," +
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	if signature := base64.StdEncoding.EncodeToString(mac(server, message)); signature != "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Errorf("the server signs with %s", signature)
	}
	proof, err := base64.StdEncoding.DecodeString("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range mac(stored, message) {
		proof[i] ^= b // ClientKey = ClientProof xor ClientSignature
	}
	if !strings.Contains(string(verifier), "$"+base64.StdEncoding.EncodeToString(sum(proof))+":") {
		t.Error("the proof of the client does not lead to the stored key")
	}
}

func keys(t *testing.T, verifier Verifier) (stored, server []byte) {
	t.Helper()
	parts := strings.Split(string(verifier), "$")
	both := strings.Split(parts[2], ":")
	stored, err := base64.StdEncoding.DecodeString(both[0])
	if err != nil {
		t.Fatal(err)
	}
	server, err = base64.StdEncoding.DecodeString(both[1])
	if err != nil {
		t.Fatal(err)
	}
	return stored, server
}

func TestTwoVerifiersOfOnePasswordDiffer(t *testing.T) {
	first, err := NewVerifier("secret")
	if err != nil {
		t.Fatal(err)
	}
	second, err := NewVerifier("secret")
	if err != nil {
		t.Fatal(err)
	}
	if first == second || strings.Contains(string(first), "secret") {
		t.Errorf("%s and %s", first, second)
	}
}

func TestOnlyAVerifierIsQuoted(t *testing.T) {
	for _, text := range []Verifier{"", "secret", "SCRAM-SHA-256$4096:a$b:c' SUPERUSER --", "md5abc"} {
		if literal, err := text.literal(); err == nil {
			t.Errorf("%q became %s", text, literal)
		}
	}
}

func sum(key []byte) []byte {
	digest := sha256.Sum256(key)
	return digest[:]
}
