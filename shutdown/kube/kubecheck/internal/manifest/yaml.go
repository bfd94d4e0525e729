package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"

	"go.yaml.in/yaml/v2"
)

// A parsed is a document of YAML, with what JSON can have.
type parsed struct {
	value      any
	duplicates []string
}

func yamlDocuments(data []byte) ([]document, error) {
	all, err := parse(data, true)
	for _, p := range all {
		if len(p.duplicates) > 0 {
			lookAgain(all, data)
			break
		}
	}
	docs := make([]document, 0, len(all))
	for _, p := range all {
		raw, failed := json.Marshal(p.value)
		if failed != nil {
			return docs, failed
		}
		docs = append(docs, document{raw: raw, duplicates: p.duplicates})
	}
	return docs, err
}

// parse uses the parser that Kubernetes does, but its Decoder: Unmarshal ignores what
// follows the first document, even where that is not separated by anything.
func parse(data []byte, strict bool) ([]parsed, error) {
	var all []parsed
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.SetStrict(strict)
	for {
		var p parsed
		err := d.Decode(&p.value)
		if twice := (*yaml.TypeError)(nil); errors.As(err, &twice) {
			p.duplicates, err = twice.Errors, nil
		}
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err == nil {
			p.value, err = jsonable(p.value)
		}
		if err != nil {
			return all, err
		}
		all = append(all, p)
	}
}

// mergeKey is the key << where it brings a mapping's keys into another.
var mergeKey = regexp.MustCompile(`(^|[\s{,])<<(\s*:)`)

// notMerged is a key like any other, in place of a merge key.
const notMerged = "<<<"

// lookAgain corrects what the strict parser says of keys that are there twice. It keeps the
// first value, where Kubernetes takes the last. And it counts what a merge key has brought,
// which the mapping's own keys are there to override. That is a fault only where it does not
// come about, because the merge key stands behind them.
func lookAgain(all []parsed, data []byte) {
	last, _ := parse(data, false)
	unmerged := unmerge(data)
	twice, _ := parse(unmerged, true)
	own, _ := parse(unmerged, false)
	for i := range min(len(all), len(last), len(twice), len(own)) {
		all[i] = parsed{last[i].value, twice[i].duplicates}
		if !keeps(last[i].value, own[i].value) {
			all[i].duplicates = append(all[i].duplicates, "a merge key, <<, overrides a key before it, since it stands behind that")
		}
	}
}

func unmerge(data []byte) []byte { return mergeKey.ReplaceAll(data, []byte("$1"+notMerged+"$2")) }

// keeps reports whether a value has what stands in it, besides what is merged into it.
func keeps(value, unmerged any) bool {
	switch own := unmerged.(type) {
	case map[string]any:
		value, ok := value.(map[string]any)
		for k, v := range own {
			if k != notMerged && (!ok || !keeps(value[k], v)) {
				return false
			}
		}
		return true
	case []any:
		value, ok := value.([]any)
		for i, v := range own {
			if !ok || len(value) != len(own) || !keeps(value[i], v) {
				return false
			}
		}
		return true
	case string:
		value, ok := value.(string)
		return ok && string(unmerge([]byte(value))) == own
	}
	return value == unmerged
}
