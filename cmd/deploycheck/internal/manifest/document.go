package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
)

// A document is one object of a file, as JSON.
type document struct {
	raw        json.RawMessage
	duplicates []string // messages about duplicate keys
}

// documents splits the data, which is YAML or JSON, into documents. It stops at the first error,
// since it cannot find the beginning of the next document.
func documents(name string, data []byte) ([]document, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var inJSON error
	if isObject(data) {
		var docs []document
		if docs, inJSON = jsonDocuments(data); inJSON == nil {
			return docs, nil
		}
	}
	docs, err := yamlDocuments(data)
	switch {
	case err == nil:
		return docs, nil
	case inJSON != nil && strings.EqualFold(filepath.Ext(name), ".json"):
		return nil, inJSON
	}
	return docs, err
}

func isObject(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{"))
}

func jsonDocuments(data []byte) ([]document, error) {
	var docs []document
	for d := json.NewDecoder(bytes.NewReader(data)); ; {
		var raw json.RawMessage
		err := d.Decode(&raw)
		switch {
		case errors.Is(err, io.EOF):
			return docs, nil
		case err != nil:
			return nil, err
		}
		docs = append(docs, document{raw: raw})
	}
}

// jsonable converts the keys of all maps in a value to strings, which JSON needs.
func jsonable(value any) (any, error) {
	switch value := value.(type) {
	case map[any]any:
		object := make(map[string]any, len(value))
		for k, v := range value {
			key, err := keyText(k)
			if err != nil {
				return nil, err
			}
			if object[key], err = jsonable(v); err != nil {
				return nil, err
			}
		}
		return object, nil
	case []any:
		for i, v := range value {
			var err error
			if value[i], err = jsonable(v); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

// keyText converts a key to a string as Kubernetes does: 1 becomes "1", and on becomes "true".
func keyText(key any) (string, error) {
	switch key := key.(type) {
	case string:
		return key, nil
	case int:
		return strconv.Itoa(key), nil
	case int64:
		return strconv.FormatInt(key, 10), nil
	case bool:
		return strconv.FormatBool(key), nil
	}
	return "", fmt.Errorf("the key %v of a mapping is not a string", key)
}
