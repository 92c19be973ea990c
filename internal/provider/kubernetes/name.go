package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Annotations that the official provider reads from an object.
const (
	annAutonamed      = "pulumi.com/autonamed"
	annSkipAwait      = "pulumi.com/skipAwait"
	annWaitFor        = "pulumi.com/waitFor"
	annTimeout        = "pulumi.com/timeoutSeconds"
	annReplaceUnready = "pulumi.com/replaceUnready"
	annPatchForce     = "pulumi.com/patchForce"
	annFieldManager   = "pulumi.com/patchFieldManager"
	annPropagation    = "pulumi.com/deletionPropagationPolicy"
)

// autoname returns the name of a resource whose program gives none.
func autoname(urn resource.URN, seed []byte, opts *plugin.AutonamingOptions) (string, error) {
	switch {
	case opts != nil && opts.Mode == plugin.AutonamingModeDisabled:
		return "", errors.New("automatic naming is disabled; give the resource a metadata.name")
	case opts != nil && opts.ProposedName != "":
		return opts.ProposedName, nil
	}
	return resource.NewUniqueName(seed, urn.Name()+"-", 0, 0, nil)
}

// assignName names an object that has no name. An earlier automatic name stays.
func assignName(obj, old *unstructured.Unstructured, req plugin.CheckRequest) error {
	metadata := ensureMap(obj.Object, "metadata")
	if metadata == nil || !isEmpty(metadata["name"]) {
		return nil
	}
	name := ""
	if old != nil && annotation(old, annAutonamed) == "true" {
		name = old.GetName()
	}
	if name == "" {
		var err error
		if name, err = autoname(req.URN, req.RandomSeed, req.Autonaming); err != nil {
			return err
		}
	}
	metadata["name"] = name
	if annotations := ensureMap(metadata, "annotations"); annotations != nil {
		annotations[annAutonamed] = "true"
	}
	return nil
}

// fieldManager names who applies the resource: its annotation, the name in its
// state, or one that follows from the URN.
func fieldManager(obj *unstructured.Unstructured, state string, urn resource.URN) string {
	if m := annotation(obj, annFieldManager); m != "" && m != unknown {
		return m
	}
	if state != "" {
		return state
	}
	sum := sha256.Sum256([]byte(urn))
	return fmt.Sprintf("pulumi-kubernetes-%s", hex.EncodeToString(sum[:4]))
}
