#!/bin/sh
# Without CAP_SYS_RESOURCE (bit 24) no process may lower its OOM score, and
# containerd must not try to for pods.
bounding=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/1/status)
if [ $((0x$bounding >> 24 & 1)) -eq 0 ]; then
  sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' /etc/containerd/config.toml
fi
