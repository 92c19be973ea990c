// Command helloworld is the mesh's sample service. It answers as Istio's sample
// does: GET /hello gives "Hello version: v1, instance: <host name>", GET /health
// gives 200. Headers of the answer add what a test wants to know of who
// answered and whom it saw:
//
//	x-version, x-instance   as in the body
//	x-cluster, x-region     from CLUSTER and REGION, when set
//	x-peer-address          the address the request came from, without port
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	host, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "5000"
	}
	server := &http.Server{
		Addr: ":" + port, ReadHeaderTimeout: 10 * time.Second,
		Handler: handler(responder{
			version: os.Getenv("SERVICE_VERSION"), instance: host,
			cluster: os.Getenv("CLUSTER"), region: os.Getenv("REGION"),
		}),
	}
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			log.Print(err)
		}
	}()
	log.Printf("listening on %s", server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

// responder says who answers.
type responder struct{ version, instance, cluster, region string }

func handler(r responder) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Helloworld is healthy")
	})
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, req *http.Request) {
		h := w.Header()
		h.Set("content-type", "text/plain; charset=utf-8")
		h.Set("x-version", r.version)
		h.Set("x-instance", r.instance)
		for name, value := range map[string]string{"x-cluster": r.cluster, "x-region": r.region} {
			if value != "" {
				h.Set(name, value)
			}
		}
		if peer, _, err := net.SplitHostPort(req.RemoteAddr); err == nil {
			h.Set("x-peer-address", peer)
		}
		fmt.Fprintf(w, "Hello version: %s, instance: %s\n", r.version, r.instance)
	})
	return mux
}
