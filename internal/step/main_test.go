package step_test

import (
	"testing"

	"go.uber.org/goleak"

	_ "github.com/lastcall-go/lastcall/group" // makes the errors of the mechanism
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
