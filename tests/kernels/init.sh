#!/bin/busybox sh
# The first process of a guest of `cargo xtask kernels`: makes a machine of the
# kernel, and the host's root directory its own. The kernel hands over what
# stands as NAME=VALUE on its command line: LAYOUT of the cgroups, SWAP in MiB.

/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /dev/shm
mount -t tmpfs none /run
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
ip link set lo up

# What is built into a kernel is not on the list.
while read -r module; do
    insmod "/modules/$module.ko" || echo "no module $module"
done < /modules/list

# The device of each port, by the name that the host gave it.
mkdir /run/ports
for port in /sys/class/virtio-ports/*; do
    name=$(cat "$port/name") && ln -s "/dev/${port##*/}" "/run/ports/$name"
done
exec 3> /run/ports/status || reboot -f

cannot() { # REASON: ends the guest
    echo "cannot $*" >&3
    reboot -f
}

mount -t tmpfs none /sys/fs/cgroup
mount_v1() {
    for controllers in cpu,cpuacct cpuset memory blkio pids devices freezer; do
        mkdir "/sys/fs/cgroup/$controllers"
        mount -t cgroup -o "$controllers" none "/sys/fs/cgroup/$controllers" ||
            cannot "mount $controllers as cgroup v1"
    done
    # As systemd has them; crun looks for them.
    ln -s cpu,cpuacct /sys/fs/cgroup/cpu
    ln -s cpu,cpuacct /sys/fs/cgroup/cpuacct
    mkdir /sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd none /sys/fs/cgroup/systemd
}
case $LAYOUT in
v2)
    umount /sys/fs/cgroup
    mount -t cgroup2 -o nsdelegate none /sys/fs/cgroup || cannot mount cgroup v2
    for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
        echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control
    done
    ;;
v1) mount_v1 ;;
hybrid)
    mount_v1
    mkdir /sys/fs/cgroup/unified
    mount -t cgroup2 none /sys/fs/cgroup/unified || cannot mount cgroup v2
    ;;
*) cannot "make the cgroup layout $LAYOUT" ;;
esac

# The first group of its kind makes the kernel patch itself, which QEMU is not
# good at. Here it happens where nothing is lost, and stays.
for root in /sys/fs/cgroup /sys/fs/cgroup/cpuset /sys/fs/cgroup/cpu,cpuacct; do
    [ -e "$root/cgroup.procs" ] && mkdir "$root/first"
done
for quota in first/cpu.max cpu,cpuacct/first/cpu.cfs_quota_us; do
    [ -e "/sys/fs/cgroup/$quota" ] && echo 50000 > "/sys/fs/cgroup/$quota"
done

echo "${SWAP}M" > /sys/block/zram0/disksize && mkswap /dev/zram0 && swapon /dev/zram0 ||
    cannot swap on zram
[ -r /proc/pressure/memory ] || cannot 'account pressure (PSI)'

# The host's root, which nothing here can change, below what is written here.
mkdir /lower /upper /machine
mount -t virtiofs -o ro host /lower || cannot "mount the host's root directory"
mount -t tmpfs -o size=75% none /upper
mkdir /upper/data /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work none /machine ||
    cannot write above the root directory of the host
cp /programs.sh /run/programs.sh
for directory in proc sys dev run; do
    mount --move "/$directory" "/machine/$directory"
done
exec switch_root /machine /bin/sh /run/programs.sh
