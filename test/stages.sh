#!/usr/bin/env bash
# Runs make targets and says at the end how long each took.
#
#     test/stages.sh lint build test-e2e+test-cli,test-embed
#
# Stages run one after another. Lanes of a stage, joined by "+", run at the same time,
# and their lines begin with the target's name. Targets of a lane, joined by ",", run
# one after another. A target that fails ends its lane, and the run after its stage.
set -uo pipefail

rows=$(mktemp)
trap 'rm -f "$rows"' EXIT

lane() { # TARGET,TARGET...
  local target began status
  for target in ${1//,/ }; do
    began=$SECONDS status=0
    ${MAKE:-make} --no-print-directory "$target" 2>&1 | label "$target" || status=$?
    printf '  %-18s %6d s  %s\n' "$target" $((SECONDS - began)) "$([ $status -eq 0 ] && echo passed || echo FAILED)" >>"$rows"
    [ $status -eq 0 ] || return $status
  done
}

status=0
for stage; do
  case $stage in
  *+*) label() { sed -u "s/^/[$1] /"; } ;;
  *) label() { cat; } ;;
  esac
  pids=()
  for each in ${stage//+/ }; do
    lane "$each" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do
    wait "$pid" || status=1
  done
  [ $status -eq 0 ] || break
done
printf '\ntime by target:\n'
cat "$rows"
printf '  %-18s %6d s\n' 'in all' $SECONDS
exit $status
