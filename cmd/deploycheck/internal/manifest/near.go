package manifest

import (
	"strings"

	"github.com/agext/levenshtein"
)

// near reports whether a person may have meant want, a name of at least 8 letters, by name: they
// differ in case, or in up to two letters.
func near(name, want string) bool {
	plain := strings.NewReplacer("_", "", "-", "")
	return levenshtein.Distance(plain.Replace(strings.ToLower(name)), plain.Replace(strings.ToLower(want)), nil) <= 2
}
