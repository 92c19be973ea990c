package backend

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

func TestWithoutPending(t *testing.T) {
	d, err := withoutPending(apitype.UntypedDeployment{Version: 3, Deployment: []byte(`{"resources":[1],"pending_operations":[{"type":"creating"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"resources":[1]}`, string(d.Deployment)); diff != "" {
		t.Error(diff)
	}
}
