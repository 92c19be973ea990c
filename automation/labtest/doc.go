// Package labtest brings up labs for Go tests, one line each:
//
//	lab := labtest.Start(t)
//	lab.Verify(verify.Options{})
//	client := kubernetes.NewForConfigOrDie(lab.Config("cluster1"))
//
// The lab is the test's own: its name is derived from the test's and never used
// twice, so that tests, and processes, run beside each other. It is destroyed at
// the test's end, also after a failure, a panic or a cancelled context; the last
// minutes before the test binary's own deadline are kept free for that.
//
// When the test fails, what is needed to find out why is gathered in one archive
// without secrets. The lab itself is kept on failure when asked: by KeepOnFailure
// or by MESHWRIGHT_KEEP=1 in the environment.
package labtest
