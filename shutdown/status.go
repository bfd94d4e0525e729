package shutdown

import (
	"context"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// SetStatus sets the status of the step that ctx belongs to, such as "3 jobs in hand". The last
// status is shown while the drain waits for the step, and in the report. An empty status removes
// it. If ctx belongs to no step, SetStatus does nothing. It takes about as long as locking a mutex,
// and may be called by any goroutine.
func SetStatus(ctx context.Context, status string) {
	tree.Say(ctx, status)
}
