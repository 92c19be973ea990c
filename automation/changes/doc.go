// Package changes is what a change does to a project's stacks, as data, and its
// renderings: Markdown for a pull request, text for a terminal, JSON.
//
// It knows nothing of Pulumi and runs nothing, so that a program with a token in
// its hands can render a report that it does not trust: whatever a report holds,
// the Markdown of it mentions nobody, links nowhere and contains no HTML of the
// report's making.
package changes
