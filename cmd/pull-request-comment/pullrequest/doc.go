// Package pullrequest puts the report of `meshwright diff` under a pull request,
// as one comment that it keeps up to date.
//
// It runs with a token that may write comments, after a workflow that ran the
// pull request's own code without one. So it believes that workflow nothing: the
// pull request is found by the commit that GitHub says was built, the artifact is
// read within bounds and taken for data, and what is shown of it is rendered here
// (see package changes), never copied. Only a comment that has the marker and is
// the token's own is ever changed.
package pullrequest
