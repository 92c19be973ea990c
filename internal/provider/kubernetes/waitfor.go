package kubernetes

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"
)

// waitForRule reads the pulumi.com/waitFor annotation: jsonpath={.path},
// jsonpath={.path}=value, condition=Type, condition=Type=Status, or a JSON list
// of these, all of which must hold.
func waitForRule(text string) (func(*unstructured.Unstructured) readiness, error) {
	var exprs []string
	if json.Unmarshal([]byte(text), &exprs) != nil {
		exprs = []string{text}
	}
	var all []func(*unstructured.Unstructured) readiness
	for _, expr := range exprs {
		var one func(*unstructured.Unstructured) readiness
		var err error
		switch kind, rest, _ := strings.Cut(expr, "="); kind {
		case "jsonpath":
			one, err = jsonpathRule(rest)
		case "condition":
			one = conditionRule(rest)
		default:
			err = fmt.Errorf(`expected a "jsonpath=" or "condition=" prefix, got %q`, expr)
		}
		if err != nil {
			return nil, fmt.Errorf("annotation %s: %w", annWaitFor, err)
		}
		all = append(all, one)
	}
	return func(obj *unstructured.Unstructured) readiness {
		for _, one := range all {
			if r := one(obj); !r.done {
				return r
			}
		}
		return readiness{done: true}
	}, nil
}

func conditionRule(expr string) func(*unstructured.Unstructured) readiness {
	kind, want, ok := strings.Cut(expr, "=")
	if !ok {
		want = "True"
	}
	return func(obj *unstructured.Unstructured) readiness {
		c := condition(obj, kind)
		if c == nil {
			return readiness{state: fmt.Sprintf("it has no condition %s", kind)}
		}
		now := fmt.Sprint(c["status"])
		return readiness{
			done:  strings.EqualFold(now, want),
			state: fmt.Sprintf("its condition %s is %s, not %s: %v %v", kind, now, want, c["reason"], c["message"]),
		}
	}
}

func jsonpathRule(expr string) (func(*unstructured.Unstructured) readiness, error) {
	end := strings.LastIndexByte(expr, '}')
	if !strings.HasPrefix(expr, "{") || end < 0 {
		return nil, fmt.Errorf("jsonpath %q is not in braces", expr)
	}
	want, compare := strings.CutPrefix(expr[end+1:], "=")
	path := jsonpath.New("waitFor").AllowMissingKeys(true)
	if err := path.Parse(expr[:end+1]); err != nil {
		return nil, fmt.Errorf("jsonpath %q: %w", expr, err)
	}
	return func(obj *unstructured.Unstructured) readiness {
		found, err := path.FindResults(obj.Object)
		if err != nil {
			return readiness{state: err.Error()}
		}
		for _, results := range found {
			for _, v := range results {
				if now := fmt.Sprint(v.Interface()); !compare || now == want {
					return readiness{done: true}
				}
			}
		}
		return readiness{state: fmt.Sprintf("%s does not hold", expr)}
	}, nil
}
