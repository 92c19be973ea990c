# Starts containerd with its store on a volume, where overlay mounts work, and
# waits until it answers.
containerd --root /kit/containerd >/tmp/containerd.log 2>&1 &
echo $! >/tmp/containerd.pid
tries=0
until ctr version >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ $tries -gt 100 ]; then
    cat /tmp/containerd.log
    exit 1
  fi
  sleep 0.1
done
