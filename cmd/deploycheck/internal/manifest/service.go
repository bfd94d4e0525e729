package manifest

import (
	"encoding/json"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// service adds a Service. A fault in it is not found here: only its selector matters.
func (f *File) service(raw json.RawMessage) {
	var s corev1.Service
	if err := json.Unmarshal(raw, &s); err == nil && len(s.Spec.Selector) > 0 && s.Spec.Type != corev1.ServiceTypeExternalName {
		f.Services = append(f.Services, Service{Namespace: s.Namespace, Name: s.Name, Selector: s.Spec.Selector})
	}
}

// link finds the Services of each workload, which may be in another file. An object without a
// namespace may be in any.
func link(files []*File) {
	type label struct{ key, value string }
	services := map[label][]*Service{} // by the first of the labels that they select
	for _, f := range files {
		for i := range f.Services {
			s := &f.Services[i]
			key := slices.Min(slices.Collect(maps.Keys(s.Selector)))
			l := label{key, s.Selector[key]}
			services[l] = append(services[l], s)
		}
	}
	for _, f := range files {
		for i := range f.Workloads {
			w := &f.Workloads[i]
			if w.Pod == nil {
				continue
			}
			w.Services = nil
			for key, value := range w.Pod.Labels {
				for _, s := range services[label{key, value}] {
					if s.selects(w) && !slices.Contains(w.Services, s.Name) {
						w.Services = append(w.Services, s.Name)
					}
				}
			}
			slices.Sort(w.Services)
		}
	}
}

func (s *Service) selects(w *Workload) bool {
	if s.Namespace != "" && w.Namespace != "" && s.Namespace != w.Namespace {
		return false
	}
	for key, value := range s.Selector {
		if got, ok := w.Pod.Labels[key]; !ok || got != value {
			return false
		}
	}
	return true
}
