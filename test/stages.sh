#!/usr/bin/env bash
# Runs make targets one after another until one fails, and says at the end how long
# each took.
#
#     test/stages.sh lint build test-unit
set -uo pipefail

status=0 rows=
for target; do
  began=$SECONDS
  ${MAKE:-make} --no-print-directory "$target" || status=$?
  printf -v row '  %-18s %6d s  %s\n' "$target" $((SECONDS - began)) "$([ $status -eq 0 ] && echo passed || echo FAILED)"
  rows+=$row
  [ $status -eq 0 ] || break
done
printf '\ntime by target:\n%s  %-18s %6d s\n' "$rows" 'in all' $SECONDS
exit $status
