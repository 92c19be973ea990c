# Installs $PACKAGES from $SOURCES and leaves neither lists nor archives behind.
export DEBIAN_FRONTEND=noninteractive
rm -f /etc/apt/sources.list.d/*
printf '%s' "$SOURCES" >/etc/apt/sources.list
# Services must not be started by the packages' scripts.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get -o Acquire::Retries=5 update
apt-get -o Acquire::Retries=5 upgrade -y --no-install-recommends
apt-get -o Acquire::Retries=5 install -y --no-install-recommends $PACKAGES
apt-get clean
rm -rf /usr/sbin/policy-rc.d /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old \
  /var/log/* /tmp/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /usr/share/info/*
