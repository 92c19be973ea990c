package recovery

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
)

// TestDeleteNamespaces: one namespace, which takes a while to go.
func TestDeleteNamespaces(t *testing.T) {
	for name, test := range map[string]struct {
		namespaces string
		lists      int32 // that still have it
		want       []string
		deletes    int32
	}{
		"one that takes a while": {`{"metadata":{"name":"x","labels":{"meshwright.dev/scenario":"drain"}}}`, 3, []string{"drain"}, 1},
		"none":                   {``, 0, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var lists, deletes atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Content-Type", "application/json")
				switch {
				case r.Method == http.MethodDelete && r.URL.Path == "/api/v1/namespaces/x":
					deletes.Add(1)
					_, _ = rw.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Success"}`))
				case r.Method == http.MethodGet && r.URL.Query().Get("labelSelector") == "meshwright.dev/lab=dev":
					items := ""
					if lists.Add(1) <= test.lists {
						items = test.namespaces
					}
					_, _ = rw.Write([]byte(`{"kind":"NamespaceList","apiVersion":"v1","metadata":{},"items":[` + items + `]}`))
				default:
					http.Error(rw, r.Method+" "+r.URL.String(), http.StatusTeapot)
				}
			}))
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			got, err := DeleteNamespaces(ctx, map[string]*rest.Config{"c": {Host: server.URL}}, map[string]string{"meshwright.dev/lab": "dev"}, "meshwright.dev/scenario")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" || deletes.Load() != test.deletes {
				t.Errorf("%d deletions, %s", deletes.Load(), diff)
			}
		})
	}
	if _, err := DeleteNamespaces(t.Context(), map[string]*rest.Config{"c": {Host: "https://127.0.0.1:1"}}, nil, ""); err == nil {
		t.Error("a cluster that does not answer has nothing left")
	}
}
