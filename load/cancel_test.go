package load

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

func TestHostStopsWhenCancelled(t *testing.T) {
	var ended atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // never answers
		ended.Add(1)
	}))
	defer server.Close()
	because := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(300*time.Millisecond, func() { cancel(because) })
	began := time.Now()
	records := 0
	err := FromHost().Run(ctx, Plan{URL: server.URL, Rate: 50, Duration: time.Minute, Timeout: 30 * time.Second}, func(Record) { records++ })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to stop", took)
	}
	if !errors.Is(err, because) || records != 0 {
		t.Errorf("%d records, error %v", records, err)
	}
	// The requests under way are ended too: the server sees them go.
	for deadline := time.Now().Add(2 * time.Second); ended.Load() == 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if ended.Load() == 0 {
		t.Error("requests outlived the run")
	}
}
