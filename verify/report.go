package verify

import "github.com/meshwright/meshwright/report"

// What checks fill in, under the names that they use.
type (
	Report   = report.Report
	Result   = report.Result
	Status   = report.Status
	Reason   = report.Reason
	Finding  = report.Finding
	Evidence = report.Evidence
)

// The outcomes of a check.
const (
	Passed  = report.Passed
	Failed  = report.Failed
	Warned  = report.Warned
	Skipped = report.Skipped
)

// The kinds of evidence.
const (
	EvidenceObject   = report.EvidenceObject
	EvidenceConfig   = report.EvidenceConfig
	EvidenceRequests = report.EvidenceRequests
	EvidenceLog      = report.EvidenceLog
)

func count(n int, noun string) string { return report.Count(n, noun) }
