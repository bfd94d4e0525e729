package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFind(t *testing.T) {
	text, err := os.ReadFile("words.txt")
	if err != nil {
		t.Fatal(err)
	}
	list, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		file string
		text string
		want []string // line and phrase
	}{
		{"a word of prose", "a.md", "A handler has its\npromise of time.", []string{"2 promise"}},
		{"upper case", "a.md", "Allowances are divided.", []string{"1 Allowances"}},
		{"a part of a word", "a.md", "The Promises of JavaScript, a compromise.", nil},
		{"the verb", "a.md", "The documentation promises it.", nil},
		{"a phrase over the end of a line", "a.md", "The step did not\nend well.", []string{"1 did not end well"}},
		{"a phrase over the end of a quoted line", "a.md", "> The step did not\n> end well.", []string{"1 did not end well"}},
		{"two paragraphs", "a.md", "The step did not\n\nend well", []string{"3 end well"}},
		{"two phrases of a line, in the order of the list", "a.md", "owed by an allowance", []string{"1 allowance", "1 owed"}},
		{"upper case only", "a.md", "Who waits here, knows those who wait there.", []string{"1 Who waits"}},
		{"a question", "a.md", "Who gets how much?", nil},
		{"a verb that is cut", "a.md", "The first cut of the text is cut.", nil},
		{"the noun for a deadline", "a.md", "The context ends at its cut.", []string{"1 its cut"}},

		{"a comment", "a.go", "package a\n\n// It has an allowance.\n", []string{"3 allowance"}},
		{"a comment of several lines", "a.go", "package a\n\n// It was given\n// up.\nvar x int // owed\n", []string{"3 was given up", "5 owed"}},
		{"a comment between asterisks", "a.go", "package a\n\n/* It was\n * given up. */\n", []string{"3 was given up"}},
		{"comments that are apart", "a.go", "package a\n\n// It was given\n\n// up.\n", nil},
		{"a string", "a.go", "package a\n\nconst c = \"%s was promised %v\"\n", []string{"3 promised"}},
		{"a raw string", "a.go", "package a\n\nconst c = `\nit was to end`\n", []string{"4 was to end"}},
		{"an identifier", "a.go", "package a\n\nfunc promise() {}\n", []string{"3 promise"}},
		{"a word of an identifier", "a.go", "package a\n\nfunc checkAllowances(timeOwed int) {}\n", []string{"3 Allowances", "3 Owed"}},
		{"words of an identifier", "a.go", "package a\n\nfunc TestTheCut() {}\n", []string{"3 The Cut"}},
		{"an identifier as it is", "a.go", "package a\n\nfunc letGo() {}\n// what we let go\n", []string{"3 letGo"}},
		{"identifiers side by side", "a.go", "package a\n\nvar first look\n", nil},
		{"a file's name", "group/nosy_test.go", "package group\n", []string{"1 nosy"}},
		{"a file that is no Go", "a.go", "it was promised", []string{"1 promised"}},

		{"a Makefile", "Makefile", "campaign: ## what it owes\n\t# was given\n\t# up\n", []string{"1 owes", "2 was given up"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, f := range find(list, tt.file, []byte(tt.text)) {
				if f.file != tt.file || f.instead == "" {
					t.Errorf("finding = %+v, want file %s and what to write instead", f, tt.file)
				}
				got = append(got, strings.Join(strings.Fields(f.String()[len(tt.file)+1:]), " "))
			}
			var want []string
			for i, w := range tt.want {
				line, phrase, _ := strings.Cut(w, " ")
				want = append(want, line+`: "`+phrase+`": `)
				if i < len(got) && strings.HasPrefix(got[i], want[i]) {
					got[i] = want[i]
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("find() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRun(t *testing.T) {
	const list = "# a comment\n\nowed => reserve\n"
	for _, tt := range []struct {
		name   string
		list   string
		files  map[string]string
		code   int
		stdout string
		stderr string // a part of it
	}{
		{
			"nothing found", list,
			map[string]string{"a.md": "fine", "b.bin": "owed", "RESULTS.md": "owed", "node_modules/c.md": "owed", ".git/d.md": "owed"},
			0, "", "",
		},
		{
			"found", list,
			map[string]string{"a/a.go": "package a\n\n// Owed, and\n// owed.\n", "b.md": "owed"},
			1, "a/a.go:3: \"Owed\": reserve\na/a.go:4: \"owed\": reserve\nb.md:1: \"owed\": reserve\n3 found; LIST says what to write instead\n", "",
		},
		{"no files", list, map[string]string{"a.bin": ""}, 2, "", "no files to search"},
		{"an empty list", "# nothing\n", map[string]string{"a.md": ""}, 2, "", "words.txt: no entries"},
		{"an entry without a replacement", "\nowed =>\n", nil, 2, "", `words.txt: line 2: want PHRASE => INSTEAD, have "owed =>"`},
		{"an entry without a phrase", " => x\n", nil, 2, "", "words.txt: line 1: want PHRASE => INSTEAD"},
		{"a phrase that does not compile", "owed( => reserve\n", nil, 2, "", "words.txt: line 1: error parsing regexp"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			listFile, folder := filepath.Join(t.TempDir(), "words.txt"), t.TempDir()
			write(t, listFile, tt.list)
			for name, text := range tt.files {
				write(t, filepath.Join(folder, name), text)
			}
			var stdout, stderr strings.Builder
			if code := run([]string{listFile, folder}, &stdout, &stderr); code != tt.code {
				t.Errorf("run() = %d, want %d", code, tt.code)
			}
			want := strings.ReplaceAll(tt.stdout, "LIST", filepath.ToSlash(listFile))
			if diff := cmp.Diff(want, stdout.String()); diff != "" {
				t.Errorf("stdout (-want +got):\n%s", diff)
			}
			if !strings.Contains(stderr.String(), tt.stderr) || tt.stderr == "" && stderr.Len() > 0 {
				t.Errorf("stderr = %q, want %q in it", stderr.String(), tt.stderr)
			}
		})
	}
	t.Run("without arguments", func(t *testing.T) {
		var stdout, stderr strings.Builder
		if code := run(nil, &stdout, &stderr); code != 2 || stderr.String() != "usage: words LIST FOLDER\n" {
			t.Errorf("run() = %d %q, want 2 and the usage", code, stderr.String())
		}
	})
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
