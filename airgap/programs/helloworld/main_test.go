package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAnswers(t *testing.T) {
	server := httptest.NewServer(handler(responder{version: "v1", instance: "pod-1", region: "region1"}))
	defer server.Close()
	tests := map[string]struct {
		path   string
		status int
		body   string
		header map[string]string
	}{
		"hello": {"/hello", 200, "Hello version: v1, instance: pod-1\n", map[string]string{
			"x-version": "v1", "x-instance": "pod-1", "x-region": "region1", "x-cluster": "", "x-peer-address": "127.0.0.1",
		}},
		"health":  {"/health", 200, "Helloworld is healthy\n", nil},
		"unknown": {"/", 404, "404 page not found\n", nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			resp, err := http.Get(server.URL + tc.path)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tc.status || string(body) != tc.body {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, body, tc.status, tc.body)
			}
			for k, want := range tc.header {
				if got := resp.Header.Get(k); got != want {
					t.Errorf("header %s = %q, want %q", k, got, want)
				}
			}
		})
	}
}
