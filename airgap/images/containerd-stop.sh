# Ends containerd, so that its database is closed, and removes what it left in /run.
pid=$(cat /tmp/containerd.pid)
kill "$pid"
# No one reaps it here: once it has ended it stays as a zombie, without an executable.
while readlink "/proc/$pid/exe" >/dev/null; do sleep 0.1; done
rm -rf /tmp/* /run/containerd
