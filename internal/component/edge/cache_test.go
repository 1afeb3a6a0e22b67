package edge

import (
	"slices"
	"strings"
	"testing"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// small is one configuration: maps do not depend on the plan, as the first test proves.
func small(t *testing.T) config {
	t.Helper()
	p := resolved(t, cluster(v1alpha1.SizeSmall))
	return read(t, p, p.Edge.Regions[0])
}

func TestTheRulesOfTheCacheAreTheSameInEveryPlan(t *testing.T) {
	rules := func(c config) string {
		var text strings.Builder
		c.http.walk(func(d directive) {
			if strings.HasPrefix(d.name(), "proxy_cache") && d.name() != "proxy_cache_path" || d.name() == "proxy_no_cache" || d.name() == "map" {
				text.WriteString(strings.Join(d.words, " ") + "\n")
				for _, entry := range d.block {
					text.WriteString("  " + strings.Join(entry.words, " ") + "\n")
				}
			}
		})
		return text.String()
	}
	want := rules(small(t))
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		if have := rules(c); have != want {
			t.Errorf("rules are\n%s, elsewhere\n%s", have, want)
		}
	})
}

func TestRequestsWithCredentialsOrASignatureArePersonal(t *testing.T) {
	c := small(t)
	maps := c.http.all("map")
	i := slices.IndexFunc(maps, func(d directive) bool { return d.words[2] == "$personal" })
	for _, variable := range []string{"$http_authorization", "$http_cookie", "$http_signature", "$http_signature_input"} {
		if !strings.Contains(maps[i].words[1]+"$", variable+"$") {
			t.Errorf("%s makes nothing personal", variable)
		}
	}
	for value, want := range map[string]string{"": "0", "Bearer abc": "1", "session=abc": "1", `keyId="https://example.edu/users/a#main-key"`: "1", "0": "1"} {
		if have := mapped(t, c.http, "$personal", value); have != want {
			t.Errorf("%q makes a request personal: %s", value, have)
		}
	}
}

func TestPersonalRequestsBypassTheCacheAndAreNotStored(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		if bypass := c.http.one(t, "proxy_cache_bypass").value(); bypass != "$personal" {
			t.Errorf("the cache is bypassed by %s", bypass)
		}
		if !slices.Contains(c.http.one(t, "proxy_no_cache").words, "$personal") {
			t.Error("personal answers are stored")
		}
	})
}

// Where everybody shares, whatever makes a request personal must not reach the application.
func TestALocationThatSharesWithEverybodySendsNoCredentialsOn(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		shared := 0
		for _, l := range c.own.all("location") {
			if len(l.all("proxy_cache_bypass")) == 0 && len(l.all("proxy_no_cache")) == 0 {
				continue
			}
			shared++
			for _, header := range []string{"Authorization", "Cookie", "Signature", "Signature-Input"} {
				if !slices.ContainsFunc(l.all("proxy_set_header"), func(d directive) bool { return d.words[1] == header && d.words[2] == "" }) {
					t.Errorf("%v sends %s on", l.words, header)
				}
			}
		}
		if shared != 1 {
			t.Errorf("%d locations share with everybody", shared)
		}
	})
}

func TestTheCacheKeyHasTheRepresentationUnlessAcceptIsFixed(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		keys := 0
		for _, scope := range append([]directive{c.http, c.own}, c.own.all("location")...) {
			for _, key := range scope.all("proxy_cache_key") {
				keys++
				fixed := slices.ContainsFunc(scope.all("proxy_set_header"), func(d directive) bool {
					return d.words[1] == "Accept" && !strings.Contains(d.words[2], "$")
				})
				if !fixed && !strings.Contains(key.value(), "$representation") {
					t.Errorf("%v: the key is %s", scope.words, key.value())
				}
				for _, part := range []string{"$host", "$request_uri"} {
					if !strings.Contains(key.value(), part) {
						t.Errorf("%v: the key %s has no %s", scope.words, key.value(), part)
					}
				}
			}
		}
		if keys != 2 {
			t.Errorf("there are %d keys", keys)
		}
	})
}

func TestAcceptIsOneOfThreeRepresentations(t *testing.T) {
	c := small(t)
	for accept, want := range map[string]string{
		"":    "html",
		"*/*": "html",
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8":      "html",
		"image/avif,image/webp,*/*":                                            "html",
		"text/html, application/activity+json":                                 "html",
		"application/activity+json":                                            "activity",
		"APPLICATION/ACTIVITY+JSON":                                            "activity",
		`application/ld+json; profile="https://www.w3.org/ns/activitystreams"`: "activity",
		`application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams", text/html`: "activity",
		"application/json, application/activity+json":                                                                "activity",
		"application/json":     "json",
		"application/jrd+json": "json",
	} {
		if have := mapped(t, c.http, "$representation", accept); have != want {
			t.Errorf("Accept %q asks for %s, not %s", accept, have, want)
		}
	}
}

// An answer that is shared must not depend on a spelling that is not in the key.
func TestSharedAnswersAreAskedForInAFixedSpelling(t *testing.T) {
	c := small(t)
	for _, representation := range []string{"html", "json", "activity"} {
		if accept := mapped(t, c.http, "$upstream_accept", "0:"+representation); accept == "" || strings.Contains(accept, "$") {
			t.Errorf("%s is asked for with %q", representation, accept)
		} else if have := mapped(t, c.http, "$representation", accept); have != representation {
			t.Errorf("%s is asked for with %q, which is %s", representation, accept, have)
		}
		if accept := mapped(t, c.http, "$upstream_accept", "1:"+representation); accept != "$http_accept" {
			t.Errorf("a personal request is sent on with %q", accept)
		}
	}
	encoding := slices.ContainsFunc(c.http.all("proxy_set_header"), func(d directive) bool { return d.words[1] == "Accept-Encoding" && d.words[2] == "" })
	if !encoding {
		t.Error("Accept-Encoding is sent on")
	}
}

func TestAnswersThatVaryByAnythingElseAreNotStored(t *testing.T) {
	c := small(t)
	if !slices.Contains(c.http.one(t, "proxy_no_cache").words, "$varies_otherwise") {
		t.Error("Vary does not matter")
	}
	for vary, want := range map[string]string{
		"":                             "0",
		"Accept":                       "0",
		"accept, Accept-Encoding":      "0",
		"Accept,Signature, Cookie":     "0",
		"Authorization":                "0",
		"Origin":                       "1",
		"Accept, Origin":               "1",
		"Accept-Language":              "1",
		"Accept-Encoding-Like, Accept": "1",
		"Accept Origin":                "1",
		"*":                            "1",
	} {
		if have := mapped(t, c.http, "$varies_otherwise", vary); have != want {
			t.Errorf("Vary %q keeps an answer out of the cache: %s", vary, have)
		}
	}
}

func TestOnlyFingerprintedAssetsAreImmutable(t *testing.T) {
	c := small(t)
	for uri, want := range map[string]bool{
		"/assets/app.0123abcd.css":            true,
		"/assets/js/main.0123456789abcdef.js": true,
		"/assets/app.css":                     false,
		"/assets/app.0123abc.css":             false,
		"/assets/app.v12345678.css":           false,
		"/assets/app.0123ABCD.css":            false,
		"/assets/0123abcd/app.css":            false,
		"/assets/app.0123abcd.css/inbox":      false,
		"/media/photo.0123abcd.png":           false,
		"/users/a/assets/app.0123abcd.css":    false,
		"/":                                   false,
	} {
		asset := mapped(t, c.http, "$asset", uri)
		for _, upstream := range []string{"", "public, max-age=60", "no-store"} {
			control := mapped(t, c.http, "$asset_cache_control", asset+":"+upstream)
			if have := strings.Contains(control, "immutable"); have != want {
				t.Errorf("%s (upstream %q) gets %q", uri, upstream, control)
			}
			if asset != "fingerprinted" && upstream != "" && control != "" {
				t.Errorf("%s: the application says %q, the edge %q", uri, upstream, control)
			}
		}
	}
}

func TestNothingButTheAssetMapSaysImmutable(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		if n := strings.Count(c.text, "immutable"); n != 1 {
			t.Errorf("immutable is said %d times", n)
		}
		for _, header := range c.own.all("add_header") {
			if header.words[1] == "Cache-Control" && header.words[2] != "$asset_cache_control" {
				t.Errorf("%v", header.words)
			}
		}
	})
}

func TestTheLocationOfFingerprintedAssetsIsThatOfTheMap(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		maps := c.http.all("map")
		i := slices.IndexFunc(maps, func(d directive) bool { return d.words[2] == "$asset" })
		for _, entry := range maps[i].block {
			if entry.value() == "fingerprinted" {
				location(t, c, strings.TrimPrefix(entry.name(), "~"))
				return
			}
		}
		t.Error("no name is fingerprinted")
	})
}

// Errors are stored for seconds; nothing without Cache-Control is stored as a success.
func TestNothingIsStoredForLongThatTheApplicationDidNotAllow(t *testing.T) {
	forEach(t, func(t *testing.T, c config) {
		t.Helper()
		for _, valid := range append(c.http.all("proxy_cache_valid"), c.own.all("proxy_cache_valid")...) {
			if status := valid.words[1]; status != "404" && status != "410" {
				t.Errorf("%v", valid.words)
			}
		}
		if ignored := c.http.one(t, "proxy_ignore_headers").value(); ignored != "Vary" {
			t.Errorf("everywhere %s is ignored", ignored)
		}
	})
}

// Who bypasses the cache gets his own conditions passed on; the cache asks with its own.
func TestConditionsAndRangesArePassedOnOnlyForPersonalRequests(t *testing.T) {
	c := small(t)
	for variable, client := range map[string]string{
		"$upstream_if_none_match": "$http_if_none_match", "$upstream_if_modified_since": "$http_if_modified_since", "$upstream_range": "$http_range",
	} {
		if shared := mapped(t, c.http, variable, "0"); shared == client {
			t.Errorf("%s is the client's", variable)
		}
		if personal := mapped(t, c.http, variable, "1"); personal != client {
			t.Errorf("%s of a personal request is %s", variable, personal)
		}
	}
}
