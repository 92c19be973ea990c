# What workload images share. Istio's proxy runs as 1337.
echo 'istio-proxy:x:1337:1337::/var/lib/istio:/usr/sbin/nologin' >>/etc/passwd
echo 'istio-proxy:x:1337:' >>/etc/group
mkdir -p /var/lib/istio
chown 1337:1337 /var/lib/istio

# kubelet leaves a chain in the tables of the iptables back end that the node
# uses. A container that changes the node's rules must use the same one.
cat >/usr/local/sbin/match-iptables <<'SCRIPT'
#!/bin/sh
for mode in nft legacy; do
  if "iptables-$mode-save" -t mangle 2>/dev/null | grep -q -e KUBE-IPTABLES-HINT -e KUBE-KUBELET-CANARY; then
    update-alternatives --set iptables "/usr/sbin/iptables-$mode" >/dev/null
    update-alternatives --set ip6tables "/usr/sbin/ip6tables-$mode" >/dev/null
    break
  fi
done
exec "$@"
SCRIPT
chmod 755 /usr/local/sbin/match-iptables
