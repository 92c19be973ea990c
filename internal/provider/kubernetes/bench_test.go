package kubernetes

import (
	"fmt"
	"testing"
)

// What the provider itself costs, against an API server on the same machine.

func BenchmarkCreate(b *testing.B) {
	e := newEngine(b, apiServer(b), nil)
	ns := e.namespace()
	i := 0
	for b.Loop() {
		i++
		name := fmt.Sprintf("cm-%d", i)
		e.mustUp("create", configMapType, name, configMapTree(ns, name, tree{"a": "1"}))
	}
}

func BenchmarkNoChange(b *testing.B) {
	e := newEngine(b, apiServer(b), nil)
	ns := e.namespace()
	e.makeReady(ns)
	in := deploymentTree(ns, "web", "web:1")
	e.mustUp("create", deploymentType, "web", in)
	for b.Loop() {
		e.mustUp("same", deploymentType, "web", in)
	}
}

func BenchmarkRefresh(b *testing.B) {
	e := newEngine(b, apiServer(b), nil)
	ns := e.namespace()
	e.mustUp("create", configMapType, "cm", configMapTree(ns, "cm", tree{"a": "1"}))
	for b.Loop() {
		e.refresh("cm")
	}
}

func BenchmarkRelease(b *testing.B) {
	e := newEngine(b, apiServer(b), nil)
	ns := e.namespace()
	i := 0
	for b.Loop() {
		i++
		in := releaseTree(ns, tree{})
		in["name"], in["skipAwait"] = fmt.Sprintf("tiny-%d", i), true
		e.mustUp("create", releaseType, in["name"].(string), in)
	}
}
