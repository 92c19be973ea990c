package automation

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestAZombieIsNotAlive(t *testing.T) {
	if !alive(os.Getpid()) {
		t.Fatal("this very process does not count as alive")
	}
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !alive(cmd.Process.Pid) {
		t.Error("a running child does not count as alive")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// Not waited for, so that it stays a zombie.
	for deadline := time.Now().Add(5 * time.Second); alive(cmd.Process.Pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("a zombie still counts as alive")
			break
		}
	}
	_ = cmd.Wait()
}
