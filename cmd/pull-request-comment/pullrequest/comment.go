package pullrequest

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/meshwright/meshwright/automation/changes"
)

// The artifact of the workflow that runs the pull request's code.
const (
	Artifact     = "meshwright-diff"
	ArtifactFile = "diff.json"
)

// Marker is the first line of our comment.
const Marker = "<!-- meshwright:diff -->"

// How much is read of what comes from a pull request, in bytes.
const (
	maxArchive = 8 << 20
	maxReport  = 16 << 20
)

// Options choose the run whose report is shown.
type Options struct {
	// RunID is the workflow run's, as the event workflow_run names it.
	RunID int64
	// Workflow is the path of the one workflow whose runs are listened to.
	Workflow string
	// Author is the login of the token's own account: github-actions[bot].
	Author string
}

// Outcome says what Post did.
type Outcome string

// The outcomes. That there is nothing to write is no failure.
const (
	Created   Outcome = "created"
	Updated   Outcome = "updated"
	Unchanged Outcome = "unchanged"
	Nothing   Outcome = "nothing" // to say, or nobody to say it to
)

// sha is a commit's ID.
var sha = regexp.MustCompile(`^[0-9a-f]{40}$`)

// Post shows the report of a run under its pull request. It writes nothing, and
// says why, when the pull request has moved on, cannot be told for certain, or
// when nothing changes and nothing was said before.
func Post(ctx context.Context, c *Client, o Options) (Outcome, string, error) {
	var run workflowRun
	if err := c.call(ctx, http.MethodGet, c.repo("/actions/runs/%d", o.RunID), nil, &run); err != nil {
		return "", "", fmt.Errorf("workflow run %d: %w", o.RunID, err)
	}
	switch {
	case run.Event != "pull_request":
		return Nothing, fmt.Sprintf("run %d was not for a pull request", o.RunID), nil
	case run.Conclusion != "success":
		return Nothing, fmt.Sprintf("run %d did not succeed", o.RunID), nil
	case o.Workflow != "" && file(run.Path) != o.Workflow:
		return Nothing, fmt.Sprintf("run %d is of another workflow", o.RunID), nil
	case !sha.MatchString(run.HeadSHA):
		return "", "", fmt.Errorf("run %d: %q is no commit", o.RunID, run.HeadSHA)
	}
	number, reason, err := c.find(ctx, run.HeadSHA)
	if err != nil || number == 0 {
		return Nothing, reason, err
	}
	body, changed, err := c.body(ctx, run)
	if err != nil {
		return "", "", err
	}
	own, err := c.own(ctx, number, o.Author)
	if err != nil {
		return "", "", err
	}
	switch {
	case own == nil && !changed:
		return Nothing, fmt.Sprintf("nothing changes, and nothing was said under #%d", number), nil
	case own == nil:
		err = c.call(ctx, http.MethodPost, c.repo("/issues/%d/comments", number), map[string]string{"body": body}, nil)
		return Created, fmt.Sprintf("under #%d", number), err
	case own.Body == body:
		return Unchanged, fmt.Sprintf("under #%d", number), nil
	}
	err = c.call(ctx, http.MethodPatch, c.repo("/issues/comments/%d", own.ID), map[string]string{"body": body}, nil)
	return Updated, fmt.Sprintf("under #%d", number), err
}

// file is a workflow's file without the branch that may follow it.
func file(path string) string {
	name, _, _ := strings.Cut(path, "@")
	return name
}

// find returns the number of the one open pull request of this repository whose
// head is the commit. 0 comes with the reason.
func (c *Client) find(ctx context.Context, head string) (int, string, error) {
	var numbers []int
	query := url.Values{"state": {"open"}, "sort": {"updated"}, "direction": {"desc"}}
	err := pages(ctx, c, c.repo("/pulls"), query, func(pulls []pull) bool {
		for _, p := range pulls {
			if p.Head.SHA == head && strings.EqualFold(p.Base.Repo.FullName, c.Repository) {
				numbers = append(numbers, p.Number)
			}
		}
		return false
	})
	switch {
	case err != nil:
		return 0, "", fmt.Errorf("open pull requests: %w", err)
	case len(numbers) == 0:
		return 0, "no open pull request has " + head + " as its head: it was closed or has moved on", nil
	case len(numbers) > 1:
		return 0, fmt.Sprintf("several pull requests have %s as their head: %v", head, numbers), nil
	}
	return numbers[0], "", nil
}

// own returns our comment under a pull request, or nil. One that only carries the
// marker is somebody else's.
func (c *Client) own(ctx context.Context, number int, author string) (*comment, error) {
	var own *comment
	err := pages(ctx, c, c.repo("/issues/%d/comments", number), url.Values{}, func(comments []comment) bool {
		for _, one := range comments {
			if one.User.Login == author && one.User.Type == "Bot" && strings.HasPrefix(one.Body, Marker) {
				own = &one
				return true
			}
		}
		return false
	})
	if err != nil {
		return nil, fmt.Errorf("comments of #%d: %w", number, err)
	}
	return own, nil
}

// body is the comment's text, and whether the report says that anything changes.
func (c *Client) body(ctx context.Context, run workflowRun) (string, bool, error) {
	foot := "\n<sub>For commit " + run.HeadSHA[:12] + ".</sub>\n"
	report, err := c.report(ctx, run.ID)
	switch {
	case errors.Is(err, changes.ErrTooLarge) || errors.Is(err, errTooLarge):
		return Marker + "\nThe report of what this change does to the stacks is too large to show. Run `meshwright diff` on the branch.\n" + foot, true, nil
	case err != nil:
		return "", false, err
	case !report.Changed():
		return Marker + "\nThis change does nothing to the stacks any more.\n" + foot, false, nil
	}
	report.Source = changes.Computed // whatever it says of itself
	room := changes.MaxMarkdown - len(Marker) - 1 - len(foot)
	return Marker + "\n" + report.Markdown(room) + foot, true, nil
}

// report reads the run's artifact: one file of a ZIP archive, within bounds.
func (c *Client) report(ctx context.Context, run int64) (*changes.Report, error) {
	var list struct {
		Artifacts []artifact `json:"artifacts"`
	}
	query := url.Values{"name": {Artifact}, "per_page": {fmt.Sprint(pageSize)}}
	if err := c.call(ctx, http.MethodGet, c.repo("/actions/runs/%d/artifacts?%s", run, query.Encode()), nil, &list); err != nil {
		return nil, fmt.Errorf("artifacts of run %d: %w", run, err)
	}
	for _, a := range list.Artifacts {
		if a.Name != Artifact || a.Expired {
			continue
		}
		if a.Size > maxArchive {
			return nil, fmt.Errorf("artifact %s: %w", Artifact, errTooLarge)
		}
		data, err := c.raw(ctx, http.MethodGet, c.repo("/actions/artifacts/%d/zip", a.ID), nil, maxArchive)
		if err != nil {
			return nil, fmt.Errorf("artifact %s: %w", Artifact, err)
		}
		return unpack(data)
	}
	return nil, fmt.Errorf("run %d has no artifact %s", run, Artifact)
}

func unpack(archive []byte) (*changes.Report, error) {
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("artifact %s: %w", Artifact, err)
	}
	for _, f := range z.File {
		if f.Name != ArtifactFile {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("artifact %s: %w", Artifact, err)
		}
		defer r.Close()
		return changes.Decode(r, maxReport) // what is packed may be larger than it says
	}
	return nil, fmt.Errorf("artifact %s holds no %s", Artifact, ArtifactFile)
}
