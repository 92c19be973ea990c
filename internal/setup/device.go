package setup

import (
	"errors"
	"os"
	"syscall"
)

// deviceOf returns the number of the device that a file is on.
func deviceOf(info os.FileInfo) (uint64, error) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, errors.New("this system does not tell which device a file is on")
	}
	return uint64(stat.Dev), nil //nolint:gosec,unconvert // the types differ between systems
}
