package mesh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

// Output is what a command in a container left behind.
type Output struct {
	Stdout, Stderr []byte
	Code           int // exit status
}

// Exec runs argv in a container ("" for the pod's default) and waits for it.
// A command that ran and failed is not an error: its status is in Output.Code.
//
// When ctx ends first the stream is dropped but the process may live on: the
// kubelet does not kill it. Callers bound their commands themselves.
func (c *Client) Exec(ctx context.Context, pod Pod, container string, argv []string) (Output, error) {
	var stdout, stderr bytes.Buffer
	code, err := c.Stream(ctx, pod, container, argv, &stdout, &stderr)
	return Output{Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), Code: code}, err
}

// Stream is Exec with the output written as it comes.
func (c *Client) Stream(ctx context.Context, pod Pod, container string, argv []string, stdout, stderr io.Writer) (code int, err error) {
	req := c.Client.CoreV1().RESTClient().Post().
		Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Container: container, Command: argv, Stdout: true, Stderr: true,
		}, scheme.ParameterCodec)
	socket, err := remotecommand.NewWebSocketExecutor(c.config, "GET", req.URL().String())
	if err != nil {
		return 0, err
	}
	spdy, err := remotecommand.NewSPDYExecutor(c.config, "POST", req.URL())
	if err != nil {
		return 0, err
	}
	// As kubectl does: websockets since Kubernetes 1.31, SPDY behind proxies
	// and on servers that refuse the upgrade.
	executor, err := remotecommand.NewFallbackExecutor(socket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return 0, err
	}
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: stdout, Stderr: stderr})
	var exit exec.CodeExitError
	switch {
	case errors.As(err, &exit):
		return exit.Code, nil
	case err != nil:
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return 0, fmt.Errorf("exec %s in pod %s: %w", argv[0], pod, err)
	}
	return 0, nil
}
