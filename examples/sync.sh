#!/usr/bin/env bash
# Writes the go.mod and go.sum of every example from Meshwright's own: an example
# is a module of its own, and takes the exact versions that Meshwright is built
# with. With --check it changes nothing and fails when one is out of date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
for mod in */go.mod; do
	dir=$(dirname "$mod")
	new=$(mktemp)
	{
		sed -n '1p' "$mod"
		sed '1d' ../go.mod
		printf '\nrequire github.com/meshwright/meshwright v0.0.0\n\nreplace github.com/meshwright/meshwright => ../..\n'
	} >"$new"
	if [ "${1:-}" = --check ]; then
		if ! cmp -s "$new" "$mod" || ! cmp -s ../go.sum "$dir/go.sum"; then
			rm "$new"
			echo "examples/$dir/go.mod is out of date; run: examples/sync.sh" >&2
			exit 1
		fi
	else
		cat "$new" >"$mod"
		cp ../go.sum "$dir/go.sum"
	fi
	rm "$new"
done
