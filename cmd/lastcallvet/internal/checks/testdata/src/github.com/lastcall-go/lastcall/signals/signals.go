package signals

import (
	"context"
	"os"
)

func NotifyContext(parent context.Context, sigs ...os.Signal) (context.Context, context.CancelFunc) {
	return context.WithCancel(parent)
}
