package fault

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

var outlierDetectionMissing = ruleFault("outlier-detection-missing", "the failover rule has no outlier detection", destinationRules,
	func(u *unstructured.Unstructured) error {
		path := []string{"spec", "trafficPolicy", "outlierDetection"}
		if _, found, err := unstructured.NestedMap(u.Object, path...); err != nil || !found {
			return fmt.Errorf("no outlier detection: %w", err)
		}
		unstructured.RemoveNestedField(u.Object, path...)
		return nil
	})
