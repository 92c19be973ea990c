# Nothing beyond the packages: the node's own files come last, so that changing
# one of them does not install packages again.
rm -rf /var/lib/containerd /var/lib/dpkg/*-old
