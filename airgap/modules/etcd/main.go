//go:build airgap

// Command etcd is etcd's own server. etcd's module holds replace directives, so
// its command cannot be built by name; the package behind it can.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
