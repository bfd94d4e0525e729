package check_test

import (
	"strings"
	"testing"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
)

func TestSystemd(t *testing.T) {
	testPlaces(t, "app.service", map[string]place{
		"the default is 90 s":        {data: service(""), want: "app.service 90s grace-default"},
		"seconds":                    {data: service("TimeoutStopSec=20"), want: "app.service 20s grace-too-short"},
		"a time span":                {data: service("TimeoutStopSec=1min 30s"), want: "app.service 90s"},
		"a time span without spaces": {data: service("TimeoutStopSec=1h2m3.5s"), want: "app.service 3723.5s"},
		"0 is infinity":              {data: service("TimeoutStopSec=0"), want: "app.service infinity grace-infinite"},
		"infinity":                   {data: service("TimeoutStopSec=infinity"), want: "app.service infinity grace-infinite"},
		"SendSIGKILL=no":             {data: service("TimeoutStopSec=20\nSendSIGKILL=no"), want: "app.service infinity grace-infinite"},
		"TimeoutSec sets it":         {data: service("TimeoutSec=20"), want: "app.service 20s grace-too-short"},
		"TimeoutStopSec after it":    {data: service("TimeoutSec=20\nTimeoutStopSec=30"), want: "app.service 30s"},
		"TimeoutSec after it":        {data: service("TimeoutStopSec=30\nTimeoutSec=20"), want: "app.service 20s grace-too-short"},
		"the last one counts":        {data: service("TimeoutStopSec=20\nTimeoutStopSec=30"), want: "app.service 30s"},
		"an empty one is ignored":    {data: service("TimeoutStopSec=20\nTimeoutStopSec="), want: "app.service 20s wrong-type grace-too-short"},
		"an empty one in a drop-in": {
			data: service("TimeoutStopSec=20"), beside: map[string]string{"app.service.d/10.conf": "[Service]\nTimeoutSec=\n"}, want: "app.service 20s wrong-type grace-too-short",
		},
		"an empty KillSignal is ignored":   {data: service("TimeoutStopSec=30\nKillSignal=QUIT\nKillSignal="), want: "app.service 30s wrong-type stop-signal"},
		"a KillSignal that does not exist": {data: service("TimeoutStopSec=30\nKillSignal=FOO"), want: "app.service 30s wrong-type"},
		"an empty SendSIGKILL is ignored":  {data: service("TimeoutStopSec=30\nSendSIGKILL=no\nSendSIGKILL="), want: "app.service infinity wrong-type grace-infinite"},
		"an empty KillMode resets it":      {data: service("TimeoutStopSec=30\nKillMode=none\nKillMode="), want: "app.service 30s"},
		"a plus sign":                      {data: service("TimeoutStopSec=+50"), want: "app.service 50s"},
		"a plus sign within":               {data: service("TimeoutStopSec=1m+3"), want: "app.service 63s"},
		"the greatest number of seconds":   {data: service("TimeoutStopSec=18446744073708"), want: "app.service infinity grace-infinite"},
		"more than the greatest":           {data: service("TimeoutStopSec=18446744073709"), want: "app.service 90s wrong-type grace-default"},
		"more than the greatest, minutes":  {data: service("TimeoutStopSec=307445734561min"), want: "app.service 90s wrong-type grace-default"},
		"far more than the greatest":       {data: service("TimeoutStopSec=99999999999999999999"), want: "app.service 90s wrong-type grace-default"},
		"an invalid one is ignored":        {data: service("TimeoutStopSec=30\nTimeoutStopSec=5x"), want: "app.service 30s wrong-type"},
		"the fixed default of KillSignal": {
			data: service("TimeoutStopSec=30"), budget: onlySIGINT, want: "app.service 30s stop-signal",
		},
		"KillSignal":                                   {data: service("TimeoutStopSec=30\nKillSignal=SIGQUIT"), want: "app.service 30s stop-signal"},
		"KillSignal of -signals":                       {data: service("TimeoutStopSec=30\nKillSignal=INT"), want: "app.service 30s"},
		"KillMode=none":                                {data: service("TimeoutStopSec=30\nKillMode=none"), want: "app.service 30s kill-mode"},
		"a KillMode that does not exist":               {data: service("TimeoutStopSec=30\nKillMode=all"), want: "app.service 30s wrong-type"},
		"an invalid KillMode is ignored":               {data: "[Service]\nTimeoutStopSec=30\nExecStart=/bin/sh -c app\nKillMode=process\nKillMode=all\n", want: "app.service 30s wrong-type shell-pid1"},
		"SendSIGHUP":                                   {data: service("TimeoutStopSec=30\nSendSIGHUP=yes"), want: "app.service 30s stop-signal"},
		"SendSIGHUP of -signals":                       {data: service("TimeoutStopSec=30\nSendSIGHUP=yes"), budget: func(b *check.Budget) { b.Signals = append(b.Signals, "SIGHUP") }, want: "app.service 30s"},
		"SendSIGHUP=no":                                {data: service("TimeoutStopSec=30\nSendSIGHUP=yes\nSendSIGHUP=no"), want: "app.service 30s"},
		"RestartForceExitStatus on two lines":          {data: service("TimeoutStopSec=30\nRestartForceExitStatus=0\nRestartForceExitStatus=5"), want: "app.service 30s restart-after-stop"},
		"RestartForceExitStatus by name":               {data: service("TimeoutStopSec=30\nRestartForceExitStatus=SUCCESS"), want: "app.service 30s restart-after-stop"},
		"RestartForceExitStatus that is reset":         {data: service("TimeoutStopSec=30\nRestartForceExitStatus=0\nRestartForceExitStatus="), want: "app.service 30s"},
		"a placeholder":                                {data: service("TimeoutStopSec=@TIMEOUT@"), want: "- - not-rendered"},
		"a template with a statement":                  {data: "{% if x %}\n[Service]\nExecStart=/app\n{% endif %}\n", want: "- - not-rendered"},
		"a service of Avahi":                           {data: "<?xml version=\"1.0\"?>\n<service-group/>\n", want: ""},
		"a shell in a control group":                   {data: "[Service]\nTimeoutStopSec=30\nExecStart=/bin/sh -c 'app -x'\n", want: "app.service 30s"},
		"a shell with KillMode=mixed":                  {data: "[Service]\nTimeoutStopSec=30\nKillMode=mixed\nExecStart=-/bin/sh -c 'app -x'\n", want: "app.service 30s shell-pid1"},
		"a shell with KillMode=process":                {data: "[Service]\nTimeoutStopSec=30\nKillMode=process\nExecStart=/bin/sh -c \"exec app -x\"\n", want: "app.service 30s"},
		"the prefix for a shell":                       {data: "[Service]\nTimeoutStopSec=30\nKillMode=mixed\nExecStart=|app -x\n", want: "app.service 30s shell-pid1"},
		"Type=notify":                                  {data: service("TimeoutStopSec=30\nType=notify"), want: "app.service 30s grace-extended"},
		"RestartForceExitStatus":                       {data: service("TimeoutStopSec=30\nRestartForceExitStatus=0 5"), want: "app.service 30s restart-after-stop"},
		"ExecStop is outside":                          {data: service("TimeoutStopSec=22\nExecStop=/app prestop --wait"), want: "app.service 22s prestop-outside"},
		"ExecStop sends a signal":                      {data: service("TimeoutStopSec=30\nExecStop=/bin/kill -s SIGUSR2 $MAINPID"), want: "app.service 30s stop-signal"},
		"ExecStop sends a signal of -signals":          {data: service("TimeoutStopSec=30\nExecStop=/bin/kill -INT ${MAINPID}"), want: "app.service 30s"},
		"ExecStop sends SIGTERM":                       {data: service("TimeoutStopSec=30\nExecStop=kill $MAINPID"), want: "app.service 30s"},
		"ExecStop stops a container":                   {data: service("ExecStop=/usr/bin/docker stop app"), want: "app.service 10s grace-too-short"},
		"ExecStop gives a container time":              {data: service("ExecStop=-/usr/bin/podman stop --ignore -t 30 app"), want: "app.service 30s"},
		"ExecStop gives a container time, in one word": {data: service("ExecStop=docker container stop --time=26 app"), want: "app.service 26s grace-tight"},
		"ExecStop waits for a container forever":       {data: service("TimeoutStopSec=30\nExecStop=docker stop -t -1 app"), want: "app.service 30s"},
		"ExecStop gives more than TimeoutStopSec":      {data: service("TimeoutStopSec=30\nExecStop=docker stop -t60 app"), want: "app.service 30s"},
		"ExecStop of another command of docker":        {data: service("TimeoutStopSec=30\nExecStop=docker rm -f app"), want: "app.service 30s prestop-outside"},
		"KillSignal follows ExecStop":                  {data: service("TimeoutStopSec=30\nExecStop=/bin/kill -INT $MAINPID"), budget: onlySIGINT, want: "app.service 30s stop-signal"},
		"ExecStop and KillSignal":                      {data: service("TimeoutStopSec=30\nExecStop=/bin/kill -s QUIT $MAINPID\nKillSignal=SIGUSR1"), want: "app.service 30s stop-signal stop-signal"},
		"RestartKillSignal":                            {data: service("TimeoutStopSec=30\nRestartKillSignal=SIGUSR1"), want: "app.service 30s stop-signal"},
		"RestartKillSignal of -signals":                {data: service("TimeoutStopSec=30\nRestartKillSignal=INT"), want: "app.service 30s"},
		"an empty RestartKillSignal":                   {data: service("TimeoutStopSec=30\nRestartKillSignal="), want: "app.service 30s wrong-type"},
		"ExecStop signals another process":             {data: service("TimeoutStopSec=30\nExecStop=kill -USR2 1"), want: "app.service 30s prestop-outside"},
		"a continuation line with a comment": {
			data: "[Service]\nExecStart=/app \\\n# comment\n  -x\nTimeoutStopSec=30\n", want: "app.service 30s",
		},
		"Windows line ends":        {data: strings.ReplaceAll(service("TimeoutStopSec=30"), "\n", "\r\n"), want: "app.service 30s"},
		"a key in another section": {data: "[Unit]\nTimeoutStopSec=30\n[Service]\nExecStart=/app\n", want: "app.service 90s grace-misplaced grace-default"},
		"a misspelt key":           {data: service("TimeoutStopSecs=30"), want: "app.service 90s unknown-field grace-default"},
		"a key of the user":        {data: service("TimeoutStopSec=30\nX-TimeoutStop=3"), want: "app.service 30s"},
		"the variable of the program": {
			data: service("TimeoutStopSec=30\nEnvironment=A=1 \"TERMINATION_GRACE_PERIOD_SECONDS=20\""), want: "app.service 30s env-grace-below",
		},
		"a specifier in the variable": {
			data: service("TimeoutStopSec=30\nEnvironment=TERMINATION_GRACE_PERIOD_SECONDS=%i"), want: "app.service 30s env-not-checked",
		},
		"a drop-in": {
			data: service("TimeoutStopSec=3"), beside: map[string]string{"app.service.d/10-stop.conf": "[Service]\nTimeoutStopSec=30\n"}, want: "app.service 30s",
		},
		"drop-ins by name": {
			data: service(""), beside: map[string]string{"app.service.d/20.conf": "[Service]\nTimeoutStopSec=30\n", "app.service.d/10.conf": "[Service]\nTimeoutStopSec=3\n"}, want: "app.service 30s",
		},
		"a drop-in for all services": {
			data: service(""), beside: map[string]string{"service.d/20.conf": "[Service]\nTimeoutStopSec=30\n", "app.service.d/10.conf": "[Service]\nTimeoutStopSec=3\n"}, want: "app.service 30s",
		},
		"the more specific folder": {
			data: service(""), beside: map[string]string{"service.d/10.conf": "[Service]\nTimeoutStopSec=3\n", "app.service.d/10.conf": "[Service]\nTimeoutStopSec=30\n"}, want: "app.service 30s",
		},
		"a drop-in for a prefix": {
			name: "app-web.service", data: service(""), beside: map[string]string{"app-.service.d/10.conf": "[Service]\nTimeoutStopSec=30\n"}, want: "app-web.service 30s",
		},
		"a drop-in of a template": {
			name: "app@one.service", data: service(""), beside: map[string]string{"app@.service.d/10.conf": "[Service]\nTimeoutStopSec=30\n"}, want: "app@one.service 30s",
		},
		"a drop-in with a mistake": {
			data: service("TimeoutStopSec=30"), beside: map[string]string{"app.service.d/10.conf": "[Service]\nKillMode=mixd\n"}, want: "app.service 30s wrong-type",
		},
		"a drop-in that cannot be read": {data: service(""), beside: map[string]string{"app.service.d/10.conf": "[Service]\nno assignment\n"}, want: "unreadable: 10.conf"},
		"a drop-in alone":               {name: "app.service.d/10.conf", data: "[Service]\nTimeoutStopSec=20\n", want: ""},
		"a misspelt section":            {data: "[Servic]\nTimeoutStopSec=3\nKillMode=none\n" + service("TimeoutStopSec=30"), want: "app.service 30s unknown-field"},
		"a misspelt section in a drop-in": {
			data: service("TimeoutStopSec=30"), beside: map[string]string{"app.service.d/10.conf": "[service]\nTimeoutStopSec=3\n"}, want: "app.service 30s unknown-field",
		},
		"a section of the user":  {data: "[X-Servic]\nTimeoutStopSec=3\n" + service("TimeoutStopSec=30"), want: "app.service 30s"},
		"no [Service]":           {data: "[Unit]\nDescription=a\n", want: "unreadable: no section [Service]"},
		"no assignment":          {data: "[Service]\nExecStart\n", want: "unreadable: line 2"},
		"a broken section":       {data: "[Service\nTimeoutStopSec=30\n[Service]\n", want: "unreadable: line 1"},
		"a D-Bus service":        {data: "[D-BUS Service]\nName=a\nExec=/a\n", want: ""},
		"the unit of -container": {data: service("TimeoutStopSec=30"), budget: func(b *check.Budget) { b.Container = "app.service" }, want: "app.service 30s"},
		"another -container":     {data: service("TimeoutStopSec=30"), budget: func(b *check.Budget) { b.Container = "web" }, want: "app.service 30s"},
	})
}
