package check

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// hook finds the kind of the preStop hook, and how long it waits. If a hook fails, SIGTERM follows
// at once, and Kubernetes only records an event, FailedPreStopHook.
func (s *subject) hook() {
	defer s.at(s.program.Path + ".lifecycle.preStop")()
	s.Mode = None
	h := preStop(s.container)
	switch {
	case h == nil:
	case handlers(h) != 1:
		s.Mode = Foreign // pod adds a finding
	case h.Sleep != nil:
		s.Mode = Sleep
		s.Sums.PreStop = max(0, manifest.Seconds(h.Sleep.Seconds))
	case h.HTTPGet != nil:
		s.httpGet(h.HTTPGet)
	case h.Exec != nil:
		s.exec(h.Exec.Command)
	default:
		s.Mode = Foreign
		s.Add(finding.PreStopTCP, "a preStop hook cannot be a tcpSocket: it fails, and SIGTERM follows at once", "use sleep, or an httpGet of the program's handshake")
	}
	if s.Mode == HandshakeHTTP || s.Mode == HandshakeExec {
		s.handshake()
	}
}

// handshake counts the program's delay as the hook's wait. If the hook fails, the program waits
// itself.
func (s *subject) handshake() {
	if !s.hookFails {
		s.Sums.PreStop, s.Sums.Delay = s.Sums.Delay, 0
	}
}

func preStop(c *corev1.Container) *corev1.LifecycleHandler {
	if c.Lifecycle == nil {
		return nil
	}
	return c.Lifecycle.PreStop
}

func handlers(h *corev1.LifecycleHandler) int {
	n := 0
	for _, set := range []bool{h.Exec != nil, h.HTTPGet != nil, h.TCPSocket != nil, h.Sleep != nil} {
		if set {
			n++
		}
	}
	return n
}

func (s *subject) httpGet(get *corev1.HTTPGetAction) {
	own := s.budget.PreStop
	s.Mode = Foreign
	port, name, ok := s.port(get.Port)
	if !ok {
		return
	}
	path := "/" + strings.TrimPrefix(get.Path, "/")
	path, _, _ = strings.Cut(path, "?")
	samePath := own.Path != "" && path == own.Path
	samePort := (own.Port == 0 || port == own.Port) && (own.PortName == "" || own.Port != 0 || name == own.PortName)
	if !s.reachesPod(get.Host, samePath && samePort) {
		return
	}
	switch {
	case samePath && samePort:
		s.Mode = HandshakeHTTP
	case samePath:
		s.Add(finding.HandshakePort, fmt.Sprintf("the hook calls port %s, the program's handshake is on port %s: the hook fails, and SIGTERM follows at once", portText(port, name), portText(own.Port, own.PortName)),
			"write the port of the program's handshake, or correct -prestop-port and -prestop-port-name")
	case own.Path != "" && samePort && (own.Port != 0 || own.PortName != ""):
		s.Add(finding.HandshakePath, fmt.Sprintf("the hook calls %s, the program's handshake is %s: the kubelet treats any response, even 404, as success, and sends SIGTERM at once", path, own.Path),
			"path: "+own.Path+", or correct -prestop-path")
	default:
		s.foreign("an httpGet of " + path + " on port " + portText(port, name))
	}
}

// reachesPod reports whether the kubelet, which runs on the node, reaches the pod by this host.
// The default is the pod's address.
func (s *subject) reachesPod(host string, isHandshake bool) bool {
	addr, _ := netip.ParseAddr(host)
	local := host == "localhost" || addr.IsLoopback()
	switch {
	case host == "" && s.pod.HostNetwork:
		s.Add(finding.HostNetwork, "with hostNetwork and without a host, an httpGet hook does not reach the pod, and SIGTERM follows at once (kubernetes#134285, open in 1.37)", "httpGet.host: 127.0.0.1")
		if isHandshake {
			s.Mode, s.hookFails = HandshakeHTTP, true
		}
		return false
	case host == "", local && s.pod.HostNetwork:
		return true
	case local:
		s.Add(finding.PreStopHost, fmt.Sprintf("the kubelet sends the request, so %s is the node and not the pod", host), "remove host: the default is the pod's address")
	default:
		s.Add(finding.PreStopHost, fmt.Sprintf("the hook calls %s, not the pod", host), "remove host: the default is the pod's address")
	}
	return false
}

// port resolves the port of a hook as the kubelet does: a name has to be one of the container's own
// ports.
func (s *subject) port(p intstr.IntOrString) (port int, name string, ok bool) {
	if p.Type == intstr.Int {
		i := slices.IndexFunc(s.container.Ports, func(c corev1.ContainerPort) bool { return c.ContainerPort == p.IntVal })
		if i >= 0 {
			name = s.container.Ports[i].Name
		}
		return int(p.IntVal), name, validPort(p)
	}
	for _, c := range s.container.Ports {
		if c.Name == p.StrVal {
			return int(c.ContainerPort), c.Name, true
		}
	}
	if validPort(p) {
		s.Add(finding.PreStopPortName, fmt.Sprintf("no port of the container is named %s: the hook fails, and SIGTERM follows at once", p.StrVal),
			fmt.Sprintf("name one of the container's ports %s, or write the number", p.StrVal))
	}
	return 0, "", false
}

// validPort has the API server's rule: a number from 1 to 65535, or a name of at most 15 characters
// with a letter.
func validPort(p intstr.IntOrString) bool {
	if p.Type == intstr.Int {
		return p.IntVal > 0 && p.IntVal <= 65535
	}
	return len(p.StrVal) <= 15 && strings.ContainsFunc(p.StrVal, func(r rune) bool { return r >= 'a' && r <= 'z' })
}

func portText(port int, name string) string {
	switch {
	case name == "":
		return fmt.Sprint(port)
	case port == 0:
		return name
	}
	return fmt.Sprintf("%d (%s)", port, name)
}

// exec decides whether an exec hook is a sleep, the program's handshake, or something else.
func (s *subject) exec(argv []string) {
	own := s.budget.PreStop.Exec
	s.Mode = Foreign
	if len(argv) == 0 {
		return // pod adds a finding
	}
	script, viaShell := shellScript(argv)
	words := argv
	var commands []command
	if viaShell {
		commands = split(script)
		words = nil
		if len(commands) == 1 {
			words = commands[0].words
			if len(words) > 0 && words[0] == "exec" {
				words = words[1:]
			}
		}
	}
	wait := sleepTime(words)
	onlySleeps := wait >= 0
	if viaShell && !onlySleeps {
		wait, onlySleeps = sleepScript(commands)
	}
	switch {
	case oneString(argv):
		s.Add(finding.ExecOneString, fmt.Sprintf("%q is used as the name of a file, since no shell splits it: the hook fails, and SIGTERM follows at once", argv[len(argv)-1]),
			"write each word as an element of the list; with a shell, write -c before the script")
	case onlySleeps:
		s.Mode, s.Sums.PreStop = Sleep, wait
		s.Add(finding.ExecSleep, fmt.Sprintf("the hook needs %s in the image: without it, as in scratch and distroless images, the hook fails, and SIGTERM follows at once", argv[0]),
			fmt.Sprintf("preStop: {sleep: {seconds: %d}}, which needs nothing in the image (on by default since Kubernetes 1.30, stable in 1.34)", ceil(wait)))
	case len(own) > 0 && hasPrefix(words, own):
		s.Mode = HandshakeExec
		if viaShell {
			s.Add(finding.ExecShell, fmt.Sprintf("the hook needs %s in the image, and could run the program directly", argv[0]), fmt.Sprintf("command: [%s]", strings.Join(quoted(words), ", ")))
		}
	case len(own) > 0 && len(words) > 0 && sameProgram(words[0], own[0]):
		s.Add(finding.HandshakeCommand, fmt.Sprintf("the hook runs %s, the program's handshake is %s", strings.Join(words, " "), strings.Join(own, " ")),
			fmt.Sprintf("command: [%s], or correct -prestop-exec", strings.Join(quoted(own), ", ")))
	default:
		s.Sums.PreStop = max(0, wait)
		s.foreign(strings.Join(argv, " "))
	}
}

func (s *subject) foreign(what string) {
	s.Add(finding.PreStopForeign, fmt.Sprintf("the hook, %s, is not the program's handshake: the time that it takes is unknown, and counted as %s", what, Seconds(s.Sums.PreStop)),
		"if it is the handshake, set -prestop-path, -prestop-port or -prestop-exec; otherwise make sure that it is quick")
}

// hasPrefix reports whether a command line is the handshake's, perhaps with more arguments.
func hasPrefix(words, own []string) bool {
	return len(words) >= len(own) && sameProgram(words[0], own[0]) && slices.Equal(words[1:len(own)], own[1:])
}

// sameProgram reports whether a word of a manifest names the program own, which may be without its
// folder.
func sameProgram(word, own string) bool {
	return word == own || !strings.Contains(own, "/") && path.Base(word) == own
}

func quoted(words []string) []string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = fmt.Sprintf("%q", w)
	}
	return q
}
