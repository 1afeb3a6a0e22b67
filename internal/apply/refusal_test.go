package apply

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

func TestALongRefusalKeepsItsVerdict(t *testing.T) {
	tests := map[string]struct {
		text  string
		whole bool
	}{
		"short":                  {"must be positive", true},
		"as long as may be":      {strings.Repeat("x", longestCause), true},
		"one letter more":        {strings.Repeat("x", longestCause+1), false},
		"cut within a letter":    {strings.Repeat("ü", 4*longestCause), false},
		"cut within the verdict": {"x" + strings.Repeat("ü", 4*longestCause) + ": field is immutable", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shorten(test.text)
			if test.whole {
				if got != test.text {
					t.Errorf("%q", got)
				}
				return
			}
			if len(got) >= longestCause || !utf8.ValidString(got) || strings.Count(got, "…") != 1 {
				t.Errorf("%d bytes: %q", len(got), got)
			}
			begin, end, _ := strings.Cut(got, " … ")
			// A letter that is cut in two is left out.
			if least := longestCause/3 - 1; len(begin) < least || len(end) < least {
				t.Errorf("%d and %d bytes are left", len(begin), len(end))
			}
			if begin == "" || !strings.HasPrefix(test.text, begin) || end == "" || !strings.HasSuffix(test.text, end) {
				t.Errorf("%q … %q", begin, end)
			}
		})
	}
}

func TestEveryCauseOfARefusalIsShortenedByItself(t *testing.T) {
	object := strings.Repeat(`{"kind":"StatefulSet"}`, 100)
	err := &apierrors.StatusError{ErrStatus: metav1.Status{
		Message: "repeats it all: " + object,
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{
			{Field: "spec.serviceName", Message: "Invalid value: " + object + ": field is immutable"},
			{Field: "spec.replicas", Message: "Invalid value: -1: must be greater than or equal to 0"},
		}},
	}}
	got := statusMessage(err)
	for _, says := range []string{"spec.serviceName: Invalid value: {", ": field is immutable; spec.replicas: ", "must be greater than or equal to 0"} {
		if !strings.Contains(got, says) {
			t.Errorf("%q does not say %q", got, says)
		}
	}
	if len(got) > 2*longestCause {
		t.Errorf("%d bytes", len(got))
	}
}

// anyTree joins problems and other errors in any shape, and tells which there are, in order.
func anyTree(t *rapid.T, depth int, problems *[]string, others *[]error) error {
	kind := rapid.IntRange(0, 3).Draw(t, "kind")
	if depth == 0 && kind == 3 {
		kind = 0
	}
	switch kind {
	case 1:
		message := fmt.Sprintf("problem %d", len(*problems))
		*problems = append(*problems, message)
		if rapid.Bool().Draw(t, "wrapped") {
			return fmt.Errorf("apply: %w", problem("Reason", "%s", message))
		}
		return problem("Reason", "%s", message)
	case 2:
		err := fmt.Errorf("error %d", len(*others))
		*others = append(*others, err)
		return err
	case 3:
		var parts []error
		for range rapid.IntRange(0, 4).Draw(t, "parts") {
			parts = append(parts, anyTree(t, depth-1, problems, others))
		}
		return errors.Join(parts...)
	}
	return nil
}

func TestSplitLosesNothingOfAnyJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var messages []string
		var others []error
		problems, rest := Split(anyTree(t, 4, &messages, &others))
		var got []string
		for _, problem := range problems {
			got = append(got, problem.Message)
		}
		if !slices.Equal(got, messages) {
			t.Errorf("problems %v, not %v", got, messages)
		}
		if (rest == nil) != (len(others) == 0) {
			t.Errorf("rest %v of %v", rest, others)
		}
		for _, other := range others {
			if !errors.Is(rest, other) {
				t.Errorf("%v is lost", other)
			}
		}
		if again, _ := Split(rest); len(again) > 0 {
			t.Errorf("problems are among the rest: %v", again)
		}
	})
}
