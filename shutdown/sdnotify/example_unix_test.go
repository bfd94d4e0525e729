//go:build unix

package sdnotify_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/sdnotify"
)

// The program tells systemd when it serves and when it stops. Here a socket in a temporary
// folder stands for systemd.
func Example() {
	dir, err := os.MkdirTemp("", "sdnotify")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "notify")
	systemd, err := net.ListenPacket("unixgram", socket)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer systemd.Close()
	os.Setenv("NOTIFY_SOCKET", socket)
	defer os.Unsetenv("NOTIFY_SOCKET")

	log := zerolog.Nop()
	c := &shutdown.Coordinator{Signals: []os.Signal{}, Logger: &log}
	sdnotify.Attach(c)
	c.Run(context.Background(), func(ctx context.Context) error {
		// Open the listeners here.
		return sdnotify.Ready(ctx)
	})

	message := make([]byte, 1<<12)
	for range 2 {
		n, _, err := systemd.ReadFrom(message)
		if err != nil {
			fmt.Println(err)
			return
		}
		first, _, _ := strings.Cut(string(message[:n]), "\n")
		fmt.Println(first)
	}
	// Output:
	// READY=1
	// STOPPING=1
}
