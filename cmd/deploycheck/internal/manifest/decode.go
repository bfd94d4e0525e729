package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// maxLists bounds lists within lists, each of which is parsed again.
const maxLists = 4

// workloads maps apiVersion and kind to a decoder.
var workloads = map[[2]string]func(*Workload, json.RawMessage){
	{"v1", "Pod"}: decoder(func(o *corev1.Pod, _ *Workload) (metav1.ObjectMeta, corev1.PodTemplateSpec) {
		return o.ObjectMeta, corev1.PodTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec}
	}),
	{"apps/v1", "Deployment"}: decoder(func(o *appsv1.Deployment, w *Workload) (metav1.ObjectMeta, corev1.PodTemplateSpec) {
		w.MinReady = &o.Spec.MinReadySeconds
		return o.ObjectMeta, o.Spec.Template
	}),
	{"apps/v1", "StatefulSet"}: decoder(func(o *appsv1.StatefulSet, w *Workload) (metav1.ObjectMeta, corev1.PodTemplateSpec) {
		w.MinReady = &o.Spec.MinReadySeconds
		return o.ObjectMeta, o.Spec.Template
	}),
	{"apps/v1", "DaemonSet"}: decoder(func(o *appsv1.DaemonSet, w *Workload) (metav1.ObjectMeta, corev1.PodTemplateSpec) {
		w.MinReady = &o.Spec.MinReadySeconds
		return o.ObjectMeta, o.Spec.Template
	}),
	{"apps/v1", "ReplicaSet"}: decoder(func(o *appsv1.ReplicaSet, _ *Workload) (metav1.ObjectMeta, corev1.PodTemplateSpec) {
		return o.ObjectMeta, o.Spec.Template
	}),
	{"v1", "ReplicationController"}: decoder(func(o *corev1.ReplicationController, w *Workload) (metav1.ObjectMeta, corev1.PodTemplateSpec) {
		w.MinReady = &o.Spec.MinReadySeconds
		if o.Spec.Template == nil {
			return o.ObjectMeta, corev1.PodTemplateSpec{}
		}
		return o.ObjectMeta, *o.Spec.Template
	}),
	{"batch/v1", "Job"}: decoder(func(o *batchv1.Job, _ *Workload) (metav1.ObjectMeta, corev1.PodTemplateSpec) {
		return o.ObjectMeta, o.Spec.Template
	}),
	{"batch/v1", "CronJob"}: decoder(func(o *batchv1.CronJob, _ *Workload) (metav1.ObjectMeta, corev1.PodTemplateSpec) {
		return o.ObjectMeta, o.Spec.JobTemplate.Spec.Template
	}),
}

// kubernetes reads a file of Kubernetes objects. Every object becomes a workload, an error, or an
// entry of Skipped.
func kubernetes(name string, data []byte) File {
	f := File{Name: name}
	if isValues(name) {
		f.Skipped = append(f.Skipped, "values of a chart")
		return f
	}
	docs, err := documents(name, data)
	if f.template(data, err == nil) {
		return f
	}
	tree := treeOf(data)
	patched := patchedBy(name)
	for i, doc := range docs {
		f.object(place{document: i + 1, tree: tree, patched: patched}, doc)
	}
	if err != nil {
		f.fail(place{document: len(docs) + 1, tree: tree}, false, err)
	}
	return f
}

// A place is the place of an object in a file.
type place struct {
	document int
	path     string          // within the document, such as items[2]; may be empty
	lists    int             // the number of lists around it
	items    metav1.TypeMeta // the type of the items of the innermost list
	tree     tree
	patched  string // the folder of the kustomization that uses the file as a patch
}

// lookup returns the function that finds a field of this object, or the nearest one around it.
func (p place) lookup() func(field string) finding.Place {
	return func(field string) finding.Place { return placeOf(find(p.tree(p.document), join(p.path, field))) }
}

func (p place) key(field string) finding.Place {
	return keyOf(p.tree(p.document), join(p.path, field))
}

// join joins two paths of fields, each of which may be empty.
func join(path, field string) string {
	if path == "" || field == "" {
		return path + field
	}
	return path + "." + field
}

func (f *File) fail(at place, api bool, err error) {
	if at.path != "" {
		err = fmt.Errorf("%s: %w", at.path, err)
	}
	f.Errs = append(f.Errs, &Error{File: f.Name, Document: at.document, Place: at.lookup()(""), API: api, Err: err})
}

// errNoObject is the reason why a document is not read. A document of that kind in a directory may be
// a file of another tool.
var errNoObject = errors.New("this is not a Kubernetes object")

// errNoType is the reason why an object without apiVersion or kind is not read.
var errNoType = errors.New("an object needs both")

// foreign is the kind of an object of another tool.
const foreign = "non-Kubernetes"

// head has the fields by which objects are told apart.
type head struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Metadata   json.RawMessage `json:"metadata"`
	Spec       json.RawMessage `json:"spec"`
}

// isForeign reports whether this is not a Kubernetes object, but for example a chart's values.
func (h head) isForeign() bool {
	return h.APIVersion == "" && h.Kind == "" && h.Metadata == nil && h.Spec == nil
}

func (f *File) object(at place, doc document) {
	if string(doc.raw) == "null" && at.lists == 0 {
		return // the document is empty or has only comments
	}
	if isJSONPatch(doc.raw) && at.lists == 0 {
		f.patch(at, "JSONPatch", "", at.patched)
		return
	}
	if !isObject(doc.raw) {
		f.fail(at, false, errNoObject)
		return
	}
	var h head
	if err := kjson.UnmarshalCaseSensitivePreserveInts(doc.raw, &h); err != nil {
		f.fail(at, false, errors.New(plain(err)))
		return
	}
	if h.APIVersion == "" && h.Kind == "" {
		h.APIVersion, h.Kind = at.items.APIVersion, at.items.Kind
	}
	decode, isWorkload := workloads[[2]string{h.APIVersion, h.Kind}]
	items, isList := listOf(h.APIVersion, h.Kind)
	switch {
	case isChart(f.Name) && at.lists == 0:
		f.chart(at, doc.raw)
	case isKustomization(f.Name, h):
		f.kustomization(at, doc.raw, h)
	case at.patched != "", isWorkload && at.lists == 0 && isPatch(doc.raw, h.Kind):
		f.patch(at, h.Kind, looseName(h.Metadata), at.patched)
	case isWorkload && placeholders.MatchString(looseName(h.Metadata)):
		f.source(at, h.Kind, looseName(h.Metadata), "its name has a placeholder: this is a template, and was not checked", "fill it in, and check the result")
	case isWorkload:
		w := Workload{File: f.Name, Document: at.document, Kind: h.Kind, Name: looseName(h.Metadata), Lookup: at.lookup(), Key: at.key}
		for _, text := range doc.duplicates {
			w.Faults = append(w.Faults, duplicate("", text))
		}
		decode(&w, doc.raw)
		f.Workloads = append(f.Workloads, w)
	case isList:
		f.list(at, doc, items)
	case h.isForeign() && at.lists == 0:
		f.Skipped = append(f.Skipped, foreign)
	case h.APIVersion == "" || h.Kind == "":
		f.fail(at, true, fmt.Errorf("apiVersion is %q and kind is %q: %w", h.APIVersion, h.Kind, errNoType))
	default:
		if err := checkKind(h.APIVersion, h.Kind); err != nil {
			f.fail(at, true, err)
			return
		}
		f.other(at, doc, h)
	}
}

// other decodes an object that is neither a workload nor a list.
func (f *File) other(at place, doc document, h head) {
	switch {
	case kindTwice(doc):
		f.fail(at, true, errors.New("apiVersion or kind occurs twice: the kind of this object is unclear"))
	case hasPod(doc.raw):
		f.Workloads = append(f.Workloads, Workload{
			File: f.Name, Document: at.document, Kind: h.Kind, Name: looseName(h.Metadata), Lookup: at.lookup(),
			Faults: []finding.Finding{finding.New(finding.UnknownWorkload, "kind", fmt.Sprintf("deploycheck does not know kind %s of %s, which has a pod's containers: not checked", h.Kind, h.APIVersion),
				"correct apiVersion and kind; if they are right, check a Deployment with the same pod")},
		})
	default:
		f.Skipped = append(f.Skipped, qualified(h.APIVersion, h.Kind))
		if h.APIVersion == "v1" && h.Kind == "Service" {
			f.service(doc.raw)
		}
	}
}

func (f *File) list(at place, doc document, items metav1.TypeMeta) {
	var list struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   json.RawMessage   `json:"metadata"`
		Items      []json.RawMessage `json:"items"`
	}
	strict, err := kjson.UnmarshalStrict(doc.raw, &list)
	problems := append(doc.duplicates[:len(doc.duplicates):len(doc.duplicates)], texts(append(strict, err))...)
	if at.lists == maxLists {
		problems = append(problems, fmt.Sprintf("lists are nested more than %d deep", maxLists))
	}
	if len(problems) > 0 {
		f.fail(at, false, errors.New(strings.Join(problems, "; ")))
		return
	}
	for i, item := range list.Items {
		inner := place{document: at.document, path: join(at.path, fmt.Sprintf("items[%d]", i)), lists: at.lists + 1, items: items, tree: at.tree}
		f.object(inner, document{raw: item})
	}
}

// decoder returns a strict decoder for objects of type T. template returns an object's pod template. It
// may set fields of the workload.
func decoder[T any](template func(*T, *Workload) (metav1.ObjectMeta, corev1.PodTemplateSpec)) func(*Workload, json.RawMessage) {
	return func(w *Workload, raw json.RawMessage) {
		var object T
		strict, err := kjson.UnmarshalStrict(raw, &object)
		for _, s := range strict {
			w.Faults = append(w.Faults, w.strictFault(s))
		}
		if err != nil {
			fault := typeFault(err)
			if value, ok := unrendered(raw, fault.Field); ok {
				w.Faults = []finding.Finding{placeholderFault(fault.Field, value)} // the object is no manifest yet
				return
			}
			w.Faults = append(w.Faults, fault)
			return
		}
		meta, pod := template(&object, w)
		w.Namespace = meta.Namespace
		w.pod(&pod)
		if w.Name = meta.Name; w.Name == "" && meta.GenerateName != "" {
			w.Name = meta.GenerateName + "*"
		}
	}
}

// looseName returns the name in the metadata of an object that may have faults.
func looseName(metadata json.RawMessage) string {
	var meta struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(metadata, &meta) // on an error the name is empty
	return meta.Name
}
