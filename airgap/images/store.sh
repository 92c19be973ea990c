# Ends containerd and puts the store that it filled into the node's image.
#
# Every node's /var is a volume that Docker fills with a copy of what the image
# has there. So the unpacked layers go to /kind/snapshots, and /var gets
# symbolic links to them: nothing is copied, and nothing is left to unpack, when a
# node starts. Layer archives are dropped, as containerd itself does with
# discard_unpacked_layers.
store=/kit/containerd
images() { ctr --namespace=k8s.io "$@"; }

# What kubeadm will ask for has to be there under the names it uses. Its pause
# image is not asked for: containerd's configuration names ours.
images images list --quiet >/tmp/names
kubeadm config images list --kubernetes-version "$KUBERNETES_VERSION" | grep -v /pause: >/tmp/wanted
echo "$PAUSE_IMAGE" >>/tmp/wanted
grep -vxFf /tmp/names /tmp/wanted && exit 1

images images list | awk 'NR > 1 {print $3}' | sort -u | while read -r manifest; do
  images content get "$manifest" | jq -r '.layers[].digest'
done | sort -u >/tmp/layers
test -s /tmp/layers
xargs ctr --namespace=k8s.io content rm </tmp/layers >/dev/null

pid=$(cat /tmp/containerd.pid)
kill "$pid"
# No one reaps it here: once it has ended it stays as a zombie, without an executable.
while readlink "/proc/$pid/exe" >/dev/null; do sleep 0.1; done

while read -r layer; do
  rm -f "$store/io.containerd.content.v1.content/blobs/sha256/${layer#sha256:}"
done </tmp/layers
unpacked=$store/io.containerd.snapshotter.v1.overlayfs/snapshots
mkdir -p /kind/snapshots
cp -a "$unpacked/." /kind/snapshots/
rm -rf "$unpacked" "$store/tmpmounts" /var/lib/containerd
cp -a "$store/." /var/lib/containerd/
links=/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots
mkdir -m 700 "$links"
for snapshot in /kind/snapshots/*; do ln -s "$snapshot" "$links/"; done
rm -rf /tmp/* /run/containerd
