package edge

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// directive is a statement of nginx's configuration: words, and statements in braces.
type directive struct {
	words []string
	block []directive
}

func (d directive) name() string { return d.words[0] }

// value is everything after the name.
func (d directive) value() string { return strings.Join(d.words[1:], " ") }

// all are the statements of a name in a block, not in the blocks within.
func (d directive) all(name string) []directive {
	var found []directive
	for _, statement := range d.block {
		if statement.name() == name {
			found = append(found, statement)
		}
	}
	return found
}

// one is the only statement of a name in a block.
func (d directive) one(t *testing.T, name string) directive {
	t.Helper()
	found := d.all(name)
	if len(found) != 1 {
		t.Fatalf("%d statements %s in %v", len(found), name, d.words)
	}
	return found[0]
}

// walk visits every statement in a block and below.
func (d directive) walk(visit func(directive)) {
	for _, statement := range d.block {
		visit(statement)
		statement.walk(visit)
	}
}

// parse reads a configuration as nginx does; it fails where braces or quotes do not balance.
func parse(text string) (directive, error) {
	words, err := split(text)
	if err != nil {
		return directive{}, err
	}
	block, rest, err := statements(words)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("a brace too many before %v", rest)
	}
	return directive{words: []string{"main"}, block: block}, err
}

type word struct {
	text   string
	quoted bool
}

func (w word) is(mark string) bool { return !w.quoted && w.text == mark }

func statements(words []word) (block []directive, rest []word, err error) {
	var current []string
	for len(words) > 0 {
		next := words[0]
		words = words[1:]
		switch {
		case next.is("}"):
			if len(current) > 0 {
				return nil, nil, fmt.Errorf("%q is not ended", current)
			}
			return block, append([]word{next}, words...), nil
		case next.is("{"):
			var inner []directive
			inner, words, err = statements(words)
			if err != nil || len(words) == 0 || len(current) == 0 {
				return nil, nil, fmt.Errorf("block of %q: %w", current, orUnclosed(err))
			}
			block, current, words = append(block, directive{current, inner}), nil, words[1:]
		case next.is(";"):
			if len(current) == 0 {
				return nil, nil, fmt.Errorf("an empty statement in %v", block)
			}
			block, current = append(block, directive{words: current}), nil
		default:
			current = append(current, next.text)
		}
	}
	if len(current) > 0 {
		return nil, nil, fmt.Errorf("%q is not ended", current)
	}
	return block, nil, nil
}

func orUnclosed(err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("its braces do not balance")
}

var token = regexp.MustCompile(`^(?:#[^\n]*|"((?:\\"|[^"])*)"|'((?:\\'|[^'])*)'|([{};])|([^\s{};"'#][^\s{};]*))`)

func split(text string) ([]word, error) {
	var words []word
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		match := token.FindStringSubmatchIndex(text)
		if match == nil {
			return nil, fmt.Errorf("what is %.40q", text)
		}
		for group := 1; group < len(match)/2; group++ {
			if match[2*group] >= 0 {
				words = append(words, word{text[match[2*group]:match[2*group+1]], group < 3})
			}
		}
		text = text[match[1]:]
	}
	return words, nil
}

func TestTheParserRefusesWhatDoesNotBalance(t *testing.T) {
	for _, text := range []string{"http { server { }", "http { } }", "http { listen 80 }", "listen 80", `a "b;`, "{ }", ";"} {
		if parsed, err := parse(text); err == nil {
			t.Errorf("%q is read as %v", text, parsed)
		}
	}
}

// mapped evaluates a map of nginx: an exact value in any case, then expressions in their order.
func mapped(t *testing.T, http directive, variable, value string) string {
	t.Helper()
	maps := http.all("map")
	i := slices.IndexFunc(maps, func(d directive) bool { return d.words[2] == variable })
	if i < 0 {
		t.Fatalf("nothing is mapped to %s", variable)
	}
	fallback := ""
	for _, entry := range maps[i].block {
		if entry.name() == "default" {
			fallback = entry.value()
		} else if !strings.HasPrefix(entry.name(), "~") && strings.EqualFold(entry.name(), value) {
			return entry.value()
		}
	}
	for _, entry := range maps[i].block {
		expression, isExpression := strings.CutPrefix(entry.name(), "~")
		if !isExpression {
			continue
		}
		if insensitive, ok := strings.CutPrefix(expression, "*"); ok {
			expression = "(?i)" + insensitive
		}
		if regexp.MustCompile(expression).MatchString(value) {
			return entry.value()
		}
	}
	return fallback
}
