package postgres

import (
	"encoding/json"
	"testing"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

func TestBootstrapStartsWithTheSharedConfiguration(t *testing.T) {
	for _, size := range plan.Sizes() {
		p := resolved(t, cluster(size))
		text, err := json.Marshal(parse(t, p).Bootstrap.DCS)
		if err != nil {
			t.Fatal(err)
		}
		if !SameConfiguration(string(text), DynamicConfiguration(p)) {
			t.Errorf("%s: bootstrap has %s, all members have %s", size, text, DynamicConfiguration(p))
		}
	}
}

func TestSameConfigurationIgnoresOrderAndSpaceOnly(t *testing.T) {
	want := []byte(`{"ttl": 20, "postgresql": {"parameters": {"a": "1", "b": "2"}}}`)
	for current, same := range map[string]bool{
		string(want): true,
		`{"postgresql":{"parameters":{"b":"2","a":"1"}},"ttl":20}`:              true,
		`{"postgresql":{"parameters":{"b":"2","a":"1"}},"ttl":21}`:              false,
		`{"postgresql":{"parameters":{"a":"1"}},"ttl":20}`:                      false,
		`{"postgresql":{"parameters":{"b":"2","a":"1","c":"3"}},"ttl":20}`:      false,
		`{"postgresql":{"parameters":{"b":"2","a":1}},"ttl":20}`:                false,
		`{"postgresql":{"parameters":{"b":"2","a":"1"}},"ttl":20,"pause":true}`: false,
		"":     false,
		"null": false,
		"{":    false,
	} {
		if have := SameConfiguration(current, want); have != same {
			t.Errorf("%q is the same: %t", current, have)
		}
	}
}

func TestSharedConfigurationSurvivesTheRoundTrip(t *testing.T) {
	for _, size := range plan.Sizes() {
		p := resolved(t, cluster(size))
		var kept any
		if err := json.Unmarshal(DynamicConfiguration(p), &kept); err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(kept, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if !SameConfiguration(string(text), DynamicConfiguration(p)) {
			t.Errorf("%s: %s", size, text)
		}
	}
	if SameConfiguration(string(DynamicConfiguration(small(t))), DynamicConfiguration(asynchronous(t))) {
		t.Error("another durability is the same configuration")
	}
}
