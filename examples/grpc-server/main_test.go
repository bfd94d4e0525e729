package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// With the variable runMain set, the test binary is the program itself.
const runMain = "GRPC_SERVER_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

func TestBadFlags(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-delay", "soon"}, `invalid value "soon" for flag -delay`},
		{[]string{"-grace", "-1s"}, "-grace is -1s, and must not be negative"},
		{[]string{"serve"}, `unexpected argument "serve"`},
	} {
		var out bytes.Buffer
		if _, err := parseConfig(tc.args, &out); err == nil || !strings.Contains(out.String(), tc.want) {
			t.Errorf("%q: %v, %q, want %q", tc.args, err, out.String(), tc.want)
		}
	}
}
