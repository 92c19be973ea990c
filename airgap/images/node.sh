# Turns the node's root file system into a kind node: what kind's Dockerfile does
# after the packages are in, with Debian's containerd, runc and CNI plug-ins.
chmod 755 /usr/local/bin/* /kind /kind/bin /kind/bin/* /usr/bin/kubernetes
for name in kubelet kubeadm kubectl; do ln -sf kubernetes /usr/bin/$name; done

# systemd must not do here what a machine's boot does.
find /lib/systemd/system/sysinit.target.wants/ -name systemd-tmpfiles-setup.service -delete
rm -f /lib/systemd/system/multi-user.target.wants/*
rm -f /etc/systemd/system/*.wants/*
rm -f /lib/systemd/system/local-fs.target.wants/*
rm -f /lib/systemd/system/sockets.target.wants/*udev*
rm -f /lib/systemd/system/sockets.target.wants/*initctl*
rm -f /lib/systemd/system/basic.target.wants/*
echo ReadKMsg=no >>/etc/systemd/journald.conf
ln -sf /usr/lib/systemd/systemd /sbin/init
rm -f /etc/systemd/system/containerd-fuse-overlayfs.service
systemctl enable kubelet.service containerd.service undo-mount-hacks.service
systemctl mask systemd-binfmt.service

# Debian's executables where kind's files expect them.
ln -sf /usr/bin/containerd /usr/local/bin/containerd
mkdir -p /opt/cni/bin /etc/kubernetes/manifests /etc/kindnet/no-masquerade.d
for name in host-local loopback ptp portmap; do ln -sf /usr/lib/cni/$name /opt/cni/bin/$name; done

ctr oci spec |
  jq '.hooks.createContainer[.hooks.createContainer | length] |= . + {"path": "/kind/bin/mount-product-files.sh"} | del(.process.rlimits)' \
    >/etc/containerd/cri-base.json
sed -i -e "s#sandbox_image = .*#sandbox_image = \"$PAUSE_IMAGE\"#" -e '/^\[proxy_plugins/,/^ *address/d' /etc/containerd/config.toml
grep -q "sandbox_image = \"$PAUSE_IMAGE\"" /etc/containerd/config.toml

sed -i 's#^KUBELET_EXTRA_ARGS=#KUBELET_EXTRA_ARGS=--config-dir=/etc/kubernetes/kubelet.conf.d #' /etc/default/kubelet
grep -q config-dir /etc/default/kubelet

sed "s#KINDNET_IMAGE#$KINDNET_IMAGE#" /kind/manifests/default-cni.yaml >/tmp/cni
mv /tmp/cni /kind/manifests/default-cni.yaml
printf %s "$KUBERNETES_VERSION" >/kind/version
rm -f /etc/machine-id
containerd --version
runc --version
