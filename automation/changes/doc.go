// Package changes is what a change does to a project's stacks, as data, and its
// renderings: Markdown for a pull request, text for a terminal, JSON.
//
// It knows nothing of Pulumi and runs nothing, so that a program that holds a token can
// render a report that it does not trust: the Markdown of any report has no mention, no
// link and no HTML that comes from the report.
package changes
