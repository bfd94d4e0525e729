package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/unit"
)

// A setting is an assignment in a unit or a drop-in.
type setting struct {
	file       string
	line       int
	text       string // of that line
	section    string
	key, value string
}

// parseUnit parses a unit or a drop-in. It finds the lines itself, since the parser has none.
func parseUnit(file string, data []byte) ([]setting, error) {
	data, lines, err := unitLines(data)
	if err != nil {
		return nil, err
	}
	sections, err := unit.DeserializeSections(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var all []setting
	for _, s := range sections {
		for _, e := range s.Entries {
			if len(lines) == 0 || !strings.HasPrefix(lines[0].key, e.Name) {
				return nil, fmt.Errorf("%s is not an assignment", e.Name)
			}
			all = append(all, setting{file: file, line: lines[0].line, text: lines[0].text, section: s.Section, key: e.Name, value: unfold(e.Value)})
			lines = lines[1:]
		}
	}
	return all, nil
}

// A keyLine is the line of an assignment.
type keyLine struct {
	key  string
	line int
	text string
}

// unitLines returns the data without the parts that systemd ignores and the parser does not: comments
// within a value that goes on, and lines before the first section. It also returns where each
// assignment begins.
func unitLines(data []byte) (kept []byte, lines []keyLine, err error) {
	goesOn, inSection := false, false
	number := 0
	for line := range bytes.Lines(bytes.TrimPrefix(data, []byte("\ufeff"))) {
		number++
		text := bytes.TrimRight(line, "\r\n\x00")
		trimmed := bytes.TrimSpace(text)
		comment := len(trimmed) > 0 && (trimmed[0] == '#' || trimmed[0] == ';')
		switch {
		case comment:
			continue
		case goesOn, len(trimmed) == 0:
		case trimmed[0] == '[':
			if bytes.IndexByte(trimmed, ']') != len(trimmed)-1 || bytes.LastIndexByte(trimmed, '[') > 0 {
				return nil, nil, fmt.Errorf("line %d: want a section such as [Service]", number)
			}
			inSection = true
			text = trimmed
		case !inSection:
			continue
		default:
			key, _, ok := bytes.Cut(trimmed, []byte("="))
			if !ok {
				return nil, nil, fmt.Errorf("line %d: want a key and a value, such as TimeoutStopSec=30", number)
			}
			lines = append(lines, keyLine{string(bytes.TrimSpace(key)), number, string(text)})
		}
		goesOn = inSection && bytes.HasSuffix(text, []byte(`\`)) && (goesOn || len(trimmed) > 0 && trimmed[0] != '[')
		kept = append(append(kept, text...), '\n')
	}
	return kept, lines, nil
}

// unfold joins the lines of a value as systemd does.
func unfold(value string) string {
	return strings.TrimSpace(strings.ReplaceAll(value, "\\\n", " "))
}

// dropIns returns the drop-ins of a unit that are below its folder, in the order in which systemd
// applies them: by their own name. Of two with the same name the one of the more specific folder
// counts (systemd.unit(5), systemd 258).
func dropIns(path string) ([]string, error) {
	dir, base := filepath.Split(path)
	byName := map[string]string{}
	for _, folder := range dropInFolders(base) {
		entries, err := os.ReadDir(filepath.Join(dir, folder))
		if err != nil && !errors.Is(err, os.ErrNotExist) && !isNotDir(filepath.Join(dir, folder)) {
			return nil, err
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".conf") {
				byName[e.Name()] = filepath.Join(dir, folder, e.Name())
			}
		}
	}
	names := make([]string, 0, len(byName))
	for name := range byName {
		names = append(names, name)
	}
	slices.Sort(names)
	paths := make([]string, 0, len(names))
	for _, name := range names {
		paths = append(paths, byName[name])
	}
	return paths, nil
}

func isNotDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// dropInFolders returns the folders of a unit's drop-ins, the most specific last: service.d, those of
// the prefixes that end in a dash, that of the template, and its own.
func dropInFolders(base string) []string {
	name, suffix := strings.TrimSuffix(base, ".service"), ".service.d"
	folders := []string{strings.TrimPrefix(suffix, ".")}
	for i := range len(name) - 1 {
		if name[i] == '-' {
			folders = append(folders, name[:i+1]+suffix)
		}
	}
	if template, instance, ok := strings.Cut(name, "@"); ok && instance != "" {
		folders = append(folders, template+"@"+suffix)
	}
	return append(folders, name+suffix)
}

// splitWords splits a command line as systemd does, with quotes and backslashes, but without its
// variables and specifiers.
func splitWords(line string) []string {
	var all []string
	var word strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, inWord = r, true
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n'):
			if inWord {
				all = append(all, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		all = append(all, word.String())
	}
	return all
}

// containerStop returns the time that a command gives to a container, if it is docker stop or podman stop. The
// default is 10 s, and a negative time is forever (docs.docker.com, docker container stop, 2026; podman-stop(1),
// Podman 5.4).
func containerStop(argv []string) (d time.Duration, ok bool) {
	if len(argv) < 3 || !slices.Contains([]string{"docker", "podman"}, filepath.Base(argv[0])) {
		return 0, false
	}
	if argv = argv[1:]; argv[0] == "container" {
		argv = argv[1:]
	}
	if argv[0] != "stop" {
		return 0, false
	}
	d = 10 * time.Second
	for i, word := range argv {
		for _, flag := range []string{"--timeout", "--time", "-t"} {
			value, isFlag := strings.CutPrefix(word, flag)
			if value = strings.TrimPrefix(value, "="); isFlag && value == "" && i+1 < len(argv) {
				value = argv[i+1]
			}
			if n, err := strconv.Atoi(value); isFlag && err == nil {
				if d = Seconds(int64(n)); n < 0 {
					d = Forever
				}
				break
			}
		}
	}
	return d, true
}

// execWords splits a command, without the prefixes that systemd has for it (systemd.service(5)). With |
// a shell runs it.
func execWords(value string) []string {
	line := strings.TrimLeft(value, "@-:+!|")
	if strings.Contains(value[:len(value)-len(line)], "|") {
		return []string{"sh", "-c", line}
	}
	return splitWords(line)
}
