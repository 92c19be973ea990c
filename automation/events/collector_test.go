package events

import "testing"

func TestPlainMessages(t *testing.T) {
	if got := plain("<{%reset%}>a <{%fg 1%}>b<{%reset%}>\n"); got != "a b" {
		t.Errorf("%q", got)
	}
}
