package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
)

const conflictHelp = "https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources"

// applyError words a refusal of a server-side apply as the official provider
// does; the API server's message names the fields and who manages them.
func applyError(err error, manager string) error {
	if !apierrors.IsConflict(err) {
		return err
	}
	return fmt.Errorf("Server-Side Apply field conflict detected. See %s for troubleshooting help.\n"+ //nolint:staticcheck // the official wording
		"The resource managed by field manager %q had an apply conflict: %w\n"+
		"To take the fields over, set the annotation %s: \"true\" on the resource", conflictHelp, manager, err, annPatchForce)
}

// errTerminating is an object of the same name that is still being deleted.
var errTerminating = errors.New("an object of this name is still being deleted; see its finalizers")

func refusedConnection(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// retryReason says why an apply is worth trying again, or "". Each of these
// passes while a cluster settles: a definition, a namespace or a webhook that
// another resource of the same update has just created.
func retryReason(err error) string {
	var netErr net.Error
	var waited *waitError
	text := err.Error()
	switch {
	case errors.As(err, &waited), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "" // it was waited for long enough
	case isNoMatch(err):
		return "its kind is not defined yet"
	case errors.Is(err, errTerminating), isTerminatingNamespace(err):
		return "what had its name is still being deleted"
	case isNamespaceMissing(err):
		return "its namespace does not exist yet"
	case strings.Contains(text, "failed calling webhook"), strings.Contains(text, "failed to call webhook"):
		name := "an admission webhook"
		if m := webhookName.FindStringSubmatch(text); m != nil {
			name = "the admission webhook " + m[1]
		}
		return name + " does not answer"
	case strings.Contains(text, "conversion webhook for"):
		return "a conversion webhook does not answer yet"
	case refusedConnection(err), errors.As(err, &netErr) && netErr.Timeout():
		return "the API server does not answer"
	case apierrors.IsTooManyRequests(err), apierrors.IsServerTimeout(err), apierrors.IsServiceUnavailable(err), apierrors.IsTimeout(err):
		return "the API server is busy"
	}
	return ""
}

// webhookName is how the API server names the webhook that it could not call.
var webhookName = regexp.MustCompile(`failed calling webhook "([^"]+)"`)

func isNamespaceMissing(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	d := status.Status().Details
	return d != nil && d.Kind == "namespaces"
}

func isTerminatingNamespace(err error) bool {
	var status *apierrors.StatusError
	return errors.As(err, &status) && apierrors.IsForbidden(status) && apierrors.HasStatusCause(status, corev1.NamespaceTerminatingCause)
}

// isGone says whether an object, or the kind of it, does not exist.
func isGone(err error) bool { return apierrors.IsNotFound(err) || meta.IsNoMatchError(err) }

func unlessGone(err error) error {
	if isGone(err) {
		return nil
	}
	return err
}
