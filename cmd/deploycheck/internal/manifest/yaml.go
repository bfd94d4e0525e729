package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"

	"go.yaml.in/yaml/v2"
)

// A parsed is a YAML document, converted to values that JSON can represent.
type parsed struct {
	value      any
	duplicates []string
}

func yamlDocuments(data []byte) ([]document, error) {
	all, err := parse(data, true)
	for _, p := range all {
		if len(p.duplicates) > 0 {
			correctDuplicates(all, data)
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

// parse uses the parser that Kubernetes uses. It uses the parser's Decoder, since Unmarshal ignores
// everything after the first document, even without a separator.
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

// mergeKey matches the merge key <<, which copies the keys of one mapping into another.
var mergeKey = regexp.MustCompile(`(^|[\s{,])<<(\s*:)`)

// notMerged is an ordinary key that replaces the merge key.
const notMerged = "<<<"

// correctDuplicates corrects two results of the strict parser. For a duplicate key the parser keeps
// the first value, and Kubernetes the last. And the parser reports a key that overrides a merged
// one as a duplicate, although it is not. It is a fault only if the merge key follows the key and
// overrides it in turn.
func correctDuplicates(all []parsed, data []byte) {
	last, _ := parse(data, false)
	unmerged := unmerge(data)
	twice, _ := parse(unmerged, true)
	own, _ := parse(unmerged, false)
	for i := range min(len(all), len(last), len(twice), len(own)) {
		all[i] = parsed{last[i].value, twice[i].duplicates}
		if !keeps(last[i].value, own[i].value) {
			all[i].duplicates = append(all[i].duplicates, "the merge key << overrides a key before it: write it first")
		}
	}
}

func unmerge(data []byte) []byte { return mergeKey.ReplaceAll(data, []byte("$1"+notMerged+"$2")) }

// keeps reports whether no key of the unmerged value was overridden by a merge key.
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
