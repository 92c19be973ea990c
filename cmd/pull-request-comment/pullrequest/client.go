package pullrequest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client talks to GitHub's REST API about one repository.
type Client struct {
	API        string // base URL, such as https://api.github.com
	Repository string // owner/name
	Token      string
}

// maxAnswer bounds an answer of the API in bytes.
const maxAnswer = 32 << 20

// pageSize is GitHub's largest; maxPages bounds how long a list is followed.
const (
	pageSize = 100
	maxPages = 50
)

type user struct {
	Login string `json:"login"`
	Type  string `json:"type"`
}

type pull struct {
	Number int `json:"number"`
	Head   struct {
		SHA string `json:"sha"`
	} `json:"head"`
	Base struct {
		Repo struct {
			FullName string `json:"full_name"`
		} `json:"repo"`
	} `json:"base"`
}

type comment struct {
	ID   int64  `json:"id"`
	Body string `json:"body"`
	User user   `json:"user"`
}

type artifact struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	Size    int64  `json:"size_in_bytes"`
	Expired bool   `json:"expired"`
}

// workflowRun is a run of a workflow as GitHub tells of it.
type workflowRun struct {
	ID         int64  `json:"id"`
	Event      string `json:"event"`
	Conclusion string `json:"conclusion"`
	HeadSHA    string `json:"head_sha"`
	Path       string `json:"path"` // of the workflow's file
}

// errTooLarge means that an answer was cut off.
var errTooLarge = errors.New("the answer is too large")

// call makes one request and decodes the answer into out, unless that is nil.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	data, err := c.raw(ctx, method, path, in, maxAnswer)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func (c *Client) raw(ctx context.Context, method, path string, in any, limit int64) ([]byte, error) {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.API, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	// net/http drops it in a redirect to another host, such as that of the artifacts.
	req.Header.Set("Authorization", "Bearer "+c.Token)
	res, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	case res.StatusCode >= 300:
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, res.Status, bytes.TrimSpace(data[:min(len(data), 300)]))
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("%s %s: %w", method, path, errTooLarge)
	}
	return data, nil
}

// repo is a path below the repository's.
func (c *Client) repo(format string, args ...any) string {
	return "/repos/" + c.Repository + fmt.Sprintf(format, args...)
}

// pages calls each for every page of a list until it is done or has enough.
func pages[T any](ctx context.Context, c *Client, path string, query url.Values, each func([]T) (enough bool)) error {
	for page := 1; page <= maxPages; page++ {
		query.Set("per_page", fmt.Sprint(pageSize))
		query.Set("page", fmt.Sprint(page))
		var items []T
		if err := c.call(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &items); err != nil {
			return err
		}
		if each(items) || len(items) < pageSize {
			return nil
		}
	}
	return fmt.Errorf("%s: more than %d pages", path, maxPages)
}
