package fault

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Record is what one injection changes. It is kept in the mesh as a Secret, since
// what a fault replaces may be a key and what it deletes cannot bear an annotation.
type Record struct {
	Fault     string `json:"fault"`
	Cluster   string `json:"cluster"`   // that keeps the record
	Namespace string `json:"namespace"` // the same
	// Objects name what is broken, as "deployment istio-system/istiod"; for a fault of
	// pods they are the pods' names alone.
	Objects []string `json:"objects,omitempty"`
	// Former is what Restore needs to know of the time before; its shape is the fault's.
	Former json.RawMessage `json:"former,omitempty"`
}

// recordLabel marks the Secret of a record; its value is the fault's name.
const recordLabel = "meshwright.dev/fault"

// recordKey is the record's key in the data of its Secret.
const recordKey = "record"

func (r *Record) name() string { return "meshwright-fault-" + r.Fault }

func (r *Record) keep(ctx context.Context, at *member) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = at.Kubernetes.CoreV1().Secrets(r.Namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: r.name(), Namespace: r.Namespace, Labels: map[string]string{recordLabel: r.Fault}},
		Data:       map[string][]byte{recordKey: data},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("%s: fault %s was injected before and has not been restored: secret %s/%s", at.Name, r.Fault, r.Namespace, r.name())
	}
	return at.failed(err, "record of fault "+r.Fault)
}

func (r *Record) forget(ctx context.Context, at *member) error {
	err := at.Kubernetes.CoreV1().Secrets(r.Namespace).Delete(ctx, r.name(), metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return at.failed(err, "record of fault "+r.Fault)
}

// records reads the records in all clusters.
func (s *Subject) records(ctx context.Context, selector string) ([]Record, error) {
	var out []Record
	for _, m := range s.members() {
		list, err := m.Kubernetes.CoreV1().Secrets("").List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return nil, m.failed(err, "records of faults")
		}
		for _, secret := range list.Items {
			var r Record
			if err := json.Unmarshal(secret.Data[recordKey], &r); err != nil {
				return nil, m.failed(err, "secret "+secret.Namespace+"/"+secret.Name)
			}
			out = append(out, r)
		}
	}
	return out, nil
}
