package changes

import "errors"

// ErrTooLarge means that a report is larger than its reader takes.
var ErrTooLarge = errors.New("the report is too large")
