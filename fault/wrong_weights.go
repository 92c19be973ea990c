package fault

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// wrongWeights moves ten points of every region's largest share to its smallest.
var wrongWeights = ruleFault("wrong-weights", "the rule in force says 70/30 where 80/20 is declared", destinationRules,
	func(u *unstructured.Unstructured) error {
		const shift = 10
		path := []string{"spec", "trafficPolicy", "loadBalancer", "localityLbSetting", "distribute"}
		rules, found, err := unstructured.NestedSlice(u.Object, path...)
		if err != nil || !found {
			return fmt.Errorf("no weights: %w", err)
		}
		for _, rule := range rules {
			to, found, err := unstructured.NestedMap(rule.(map[string]any), "to") //nolint:forcetypeassert // the API server has validated it
			if err != nil || !found {
				return fmt.Errorf("no weights: %w", err)
			}
			most, least := "", ""
			for region, share := range to {
				if most == "" || share.(int64) > to[most].(int64) { //nolint:forcetypeassert // as above
					most = region
				}
				if least == "" || share.(int64) < to[least].(int64) { //nolint:forcetypeassert // as above
					least = region
				}
			}
			to[most], to[least] = to[most].(int64)-shift, to[least].(int64)+shift //nolint:forcetypeassert // as above
			rule.(map[string]any)["to"] = to                                      //nolint:forcetypeassert // as above
		}
		return unstructured.SetNestedSlice(u.Object, rules, path...)
	})
