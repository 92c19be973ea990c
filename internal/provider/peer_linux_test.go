package provider

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestOtherUsersAreRefused starts this test binary again as another user, which
// takes root, and lets it dial.
func TestOtherUsersAreRefused(t *testing.T) {
	if port := os.Getenv("TEST_DIAL_AS_OTHER"); port != "" {
		var n int
		_, _ = fmt.Sscan(port, &n)
		c, _ := dial(t, n)
		if _, err := create(t, c, ""); status.Code(err) != codes.Unavailable {
			t.Fatalf("another user's call gave %v", err)
		}
		return
	}
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	var log syncBuffer
	ts := newToys()
	a := attach(t, t.Context(), ts, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	cmd := exec.Command("/proc/self/fd/3", "-test.run=^TestOtherUsersAreRefused$", "-test.v")
	cmd.ExtraFiles = []*os.File{self} // the other user cannot read the build directory
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), fmt.Sprintf("TEST_DIAL_AS_OTHER=%d", a.Port("toy")))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(log.String(), "belongs to user 65534") {
		t.Errorf("the log does not say who was refused: %s", log.String())
	}
	if n := ts.made.Load(); n != 0 {
		t.Errorf("%d providers were made for another user", n)
	}
}
