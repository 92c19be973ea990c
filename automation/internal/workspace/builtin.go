package automation

import "embed"

// builtin are copies of the project's own stack settings, for programs that
// import this package and have no checkout. A test compares them.
//
//go:generate sh -c "rm -f settings/* && cp ../Pulumi.*.yaml settings/"
//go:embed settings
var builtin embed.FS
