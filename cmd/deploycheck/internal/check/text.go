package check

import (
	"fmt"
	"strings"
)

// setIn is the end of a message about a value that another file sets, such as an override.
func setIn(name, file string) string {
	if file == "" {
		return ""
	}
	return fmt.Sprintf(" (%s is set in %s)", name, file)
}

// list returns "a, b and c".
func list(words []string) string {
	switch n := len(words); n {
	case 0:
		return "none"
	case 1:
		return words[0]
	default:
		return fmt.Sprintf("%s and %s", strings.Join(words[:n-1], ", "), words[n-1])
	}
}
