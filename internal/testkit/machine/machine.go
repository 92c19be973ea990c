// Package machine describes the machine on which something was measured.
package machine

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Describe names processors, memory, system and kernel in one line. What cannot be
// found out is "unknown".
func Describe() string {
	return fmt.Sprintf("%d cores, %s memory, %s/%s, kernel %s", runtime.NumCPU(), memory(), runtime.GOOS, runtime.GOARCH, kernel())
}

func memory() string {
	data, err := os.ReadFile("/proc/meminfo")
	var kib int64
	if err == nil {
		_, err = fmt.Sscanf(string(data), "MemTotal: %d kB", &kib)
	}
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%.0f GiB", float64(kib)/(1<<20))
}

func kernel() string {
	data, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(data))
}
