# Ends containerd, so that its database is closed, and removes what it left in /run.
pid=$(cat /tmp/containerd.pid)
kill "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
rm -rf /tmp/* /run/containerd
