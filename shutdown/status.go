package shutdown

import (
	"context"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// SetStatus has the step that ctx belongs to say more of itself, such as what it waits for:
// "3 jobs in hand". The last status is shown while the step is waited for, and beside its
// outcome in the report. The empty one takes it back. It does nothing where ctx belongs to no
// step. It costs about as much as taking a lock, and may be called by any goroutine.
func SetStatus(ctx context.Context, status string) {
	tree.Say(ctx, status)
}
