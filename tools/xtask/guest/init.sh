#!/bin/busybox sh
# The first process of Bulkhead's Linux guests: brings up what the machine has, then tests or a shell.
#
# Kernel command line:
#   bulkhead.test=spine     run the checks below and power off; each prints `BH-CHECK <name> ok|failed <detail>`
#   bulkhead.test=recovery  the same, once the NVMe controller and the network card were stopped by errors and have recovered
#   bulkhead.test=break     the same, once the kernel has broken each of its two devices that can recover and got it going
#                           again; a third one cannot
#   bulkhead.test=eeh-basic the same, once the kernel's own test eeh-basic.sh, which is on the NVMe disk, has passed
#   bulkhead.test=boot      print BH-READY and power off: for timing
#   bulkhead.test=bench     read the NVMe disk, each step between two `BH-BENCH at` lines, and power off
#   bulkhead.test=rates     the same without counting calls, and then fetch what the web servers have, if there are any
#   bulkhead.test=load      work with all that the machine has for bulkhead.seconds=N, check all of it, and power off
#   bulkhead.test=lan       run the checks of virtual Ethernet against the partition that serves them, and power off
#   bulkhead.test=lan-serve serve those of one other partition, and power off
#   bulkhead.lan=N          the address on the virtual network is 10.9.0.N; bulkhead.peer=N that of the server
#   bulkhead.cpus=N         how many CPUs must be online
#   bulkhead.disk=SHA256    checksum of PATTERN.BIN on the NVMe disk
#   bulkhead.port=PORT      port of a web server on the host
#   bulkhead.more=PORT      port of another one that serves more
#   bulkhead.page=SHA256    checksum of what it serves
export PATH=/bin
/bin/busybox mkdir -p /proc /sys /dev /mnt /tmp /etc
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
# A message of the kernel in the middle of a line would hide a result.
dmesg -n 1
hostname bulkhead

# What the kernel runs when the platform asks it to shut down: the hypervisor's operator, for one.
mkdir -p /sbin
cat > /sbin/poweroff << 'END'
#!/bin/sh
echo "BH-NOTE asked to shut down: unmounts and powers off" > /dev/console
umount -a -t vfat
sync
# By its path: in /sbin this script has the command's name.
exec /bin/busybox poweroff -f
END
chmod +x /sbin/poweroff

# Debian's busybox has none.
cat > /bin/lspci << 'END'
#!/bin/sh
for device in /sys/bus/pci/devices/*; do
    driver=$(readlink "$device/driver")
    echo "${device##*/} class $(cut -c 3- "$device/class") id $(cut -c 3- "$device/vendor"):$(cut -c 3- "$device/device") ${driver##*/}"
done
END
chmod +x /bin/lspci
# Scripts write to it by this name.
ln -s /proc/self/fd/2 /dev/stderr

argument() {
    sed -n "s/^\(.* \)\{0,1\}bulkhead\.$1=\([^ ]*\).*\$/\2/p" /proc/cmdline
}

# In the order in which they depend on each other; one that the machine has no use for does no harm.
while read -r module; do
    options=
    # A command that a stopped controller has lost is to be missed soon.
    case "$(argument test)/$module" in
    recovery/nvme-core.ko | break/nvme-core.ko) options=io_timeout=5 ;;
    esac
    insmod "/modules/$module" $options || echo "BH-NOTE module $module did not load"
done < /modules/order

# Devices appear some time after their drivers.
wait_for() {
    tries=0
    while [ $tries -lt 100 ]; do
        [ -e "$1" ] && return 0
        tries=$((tries + 1))
        sleep 0.1
    done
    return 1
}

has_pci_class() {
    cat /sys/bus/pci/devices/*/class 2>/dev/null | grep -q "^$1"
}

ip link set lo up
# The first network card: an adapter of a device that is not the virtual Ethernet's.
nic_adapter() {
    for device in /sys/class/net/*/device; do
        [ -e "$device" ] || return 1
        [ "$(basename "$(readlink "$device/driver")")" = ibmveth ] || { basename "${device%/device}"; return 0; }
    done
    return 1
}
nic=
if has_pci_class 0x0200; then
    for try in $(seq 1 100); do
        nic=$(nic_adapter) && break
        sleep 0.1
    done
fi
if [ -n "$nic" ]; then
    ip addr add 10.0.2.15/24 dev "$nic"
    ip link set "$nic" up
    ip route add default via 10.0.2.2
fi
if has_pci_class 0x0108; then
    wait_for /dev/nvme0n1
fi

# The first virtual Ethernet adapter.
lan_adapter() {
    for adapter in /sys/class/net/*; do
        [ "$(basename "$(readlink "$adapter/device/driver")")" = ibmveth ] && basename "$adapter" && return 0
    done
    return 1
}
if [ -n "$(argument lan)" ] && lan=$(lan_adapter); then
    ip addr add "10.9.0.$(argument lan)/24" dev "$lan"
    ip link set "$lan" up
fi

failures=0
check() {
    name=$1
    shift
    if detail=$("$@" 2>&1); then
        echo "BH-CHECK $name ok $detail"
    else
        echo "BH-CHECK $name failed $detail"
        failures=$((failures + 1))
    fi
}

check_cpus() {
    online=$(grep -c '^processor' /proc/cpuinfo)
    echo "$online"
    [ "$online" = "$(argument cpus)" ]
}

# Interrupts of the NVMe controller on all CPUs.
nvme_interrupts() {
    awk '/nvme0q/ { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) sum += $i } END { print sum + 0 }' /proc/interrupts
}

check_nvme_read() {
    mount -t vfat -o iocharset=ascii,utf8=0 /dev/nvme0n1 /mnt || return 1
    set -- $(sha256sum /mnt/PATTERN.BIN)
    echo "$1"
    [ "$1" = "$(argument disk)" ]
}

check_nvme_write() {
    cp /mnt/PATTERN.BIN /mnt/COPY.BIN && sync && umount /mnt || return 1
    # Mounted anew, so that it comes from the disk and not from the cache.
    echo 3 > /proc/sys/vm/drop_caches
    mount -t vfat -o iocharset=ascii,utf8=0 /dev/nvme0n1 /mnt || return 1
    set -- $(sha256sum /mnt/COPY.BIN)
    umount /mnt
    echo "$1"
    [ "$1" = "$(argument disk)" ]
}

check_nvme_interrupts() {
    now=$(nvme_interrupts)
    echo "$before to $now"
    grep -q 'nvme0q' /proc/interrupts && [ "$now" -gt "$before" ]
}

check_ping() {
    ping -c 3 -W 10 10.0.2.2 > /tmp/ping
    result=$?
    grep 'packets' /tmp/ping
    return $result
}

check_http() {
    # By hand: wget asks glibc for the service `http`, and a static busybox does not survive that.
    printf 'GET / HTTP/1.0\r\nHost: 10.0.2.2\r\n\r\n' | nc -w 30 10.0.2.2 "$(argument port)" > /tmp/reply || return 1
    # The page is what follows the first empty line.
    sed '1,/^\r$/d' /tmp/reply > /tmp/page
    set -- $(sha256sum /tmp/page)
    echo "$1"
    [ "$1" = "$(argument page)" ]
}

# What one partition sends the other, some 3 MB, the same everywhere without being sent.
lan_data() {
    seq 1 400000
}

# Asks port $1 of the server, which may not be there yet; keeps its own side open, as the other would take the
# end of it for the end of all.
lan_ask() {
    for try in $(seq 1 120); do
        nc -w 60 "10.9.0.$(argument peer)" "$1" < /tmp/open 2> /dev/null && return 0
        sleep 0.5
    done
    return 1
}

check_lan_ping() {
    for try in $(seq 1 120); do
        ping -c 1 -W 1 "10.9.0.$(argument peer)" > /dev/null && break
    done
    ping -c 5 -s "$1" -W 10 "10.9.0.$(argument peer)" > /tmp/ping
    result=$?
    grep 'packets' /tmp/ping
    return $result
}

check_lan_fetch() {
    lan_ask 7000 > /tmp/data || return 1
    set -- $(sha256sum /tmp/data) $(lan_data | sha256sum)
    echo "$1 $(wc -c < /tmp/data) bytes"
    [ "$1" = "$3" ]
}

check_lan_send() {
    for try in $(seq 1 120); do
        lan_data | nc -w 60 "10.9.0.$(argument peer)" 7001 2> /dev/null && break
        sleep 0.5
    done
    # What the server has found.
    set -- $(lan_ask 7002) $(lan_data | sha256sum)
    echo "$1"
    [ -n "$3" ] && [ "$1" = "$3" ]
}

check_lan_interrupts() {
    name=$(lan_adapter) || return 1
    count=$(awk -v name="$name" '$NF == name { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) sum += $i } END { print sum + 0 }' /proc/interrupts)
    echo "$count"
    [ "$count" -gt 0 ]
}

lan_serve() {
    lan_data > /tmp/data
    nc -l -p 7000 < /tmp/data
    nc -l -p 7001 < /tmp/open > /tmp/sent
    sha256sum < /tmp/sent > /tmp/sum
    nc -l -p 7002 < /tmp/sum
}

# Time and what of it was spent idle, as the kernel has them; a state's name is that of the way to be idle.
bench_at() {
    echo "BH-BENCH at $1 $(sed -n 's/^now at \([0-9]*\) nsecs.*/now \1ns/p; s/^ *\.\(idle\|iowait\)_sleeptime *: *\([0-9.]*\) \([mn]\)secs.*/\1 \2\3s/p' /proc/timer_list | tr '\n' ' ')cedes $(cat /sys/devices/system/cpu/cpu0/cpuidle/state1/usage || echo 0) interrupts $(nvme_interrupts)"
}

bench_read() {
    dd if=/dev/nvme0n1 of=/dev/null bs=1M count="$1" iflag=direct 2> /tmp/dd || echo "BH-BENCH failed $(cat /tmp/dd)"
}

bench_fetch() {
    printf 'GET / HTTP/1.0\r\nHost: 10.0.2.2\r\n\r\n' | nc -w 60 10.0.2.2 "$1" | wc -c
}

bench_nvme() {
    # Waiting is to be idle, not to spin.
    echo 1 > /sys/devices/system/cpu/cpu0/cpuidle/state0/disable
    bench_read 16
    for round in 1 2 3; do
        for count in 16 144; do
            bench_at "$round $count before"
            bench_read $count
            bench_at "$round $count after"
        done
    done
}

bench_network() {
    bench_fetch "$(argument port)" > /dev/null
    for round in 1 2 3; do
        for port in port more; do
            bench_at "net $round $port before"
            bytes=$(bench_fetch "$(argument $port)")
            bench_at "net $round $port after"
            echo "BH-BENCH fetched $port $bytes"
        done
    done
}

# Counting costs time, so after what is timed.
bench_hcalls() {
    mount -t tracefs tracefs /sys/kernel/tracing
    cd /sys/kernel/tracing/events/powerpc/hcall_entry
    for count in 16 144; do
        echo 'hist:keys=opcode' > trigger
        bench_read $count
        sed -n "s/^{ opcode: *\([0-9]*\) } hitcount: *\([0-9]*\).*/BH-BENCH hcall $count \1 \2/p" hist
        echo '!hist:keys=opcode' > trigger
    done
}

# What was lost and found again too late: such words of the kernel's are about interrupts that did not come.
late() {
    dmesg | grep -c -E 'timeout,|timed out|completion polled'
}

seconds() {
    cut -d . -f 1 /proc/uptime
}

# Writes what differs each time, and reads it back from the disk and not from the cache; and what was there from the start.
load_disk() {
    seq "$1" "$(($1 + 200000))" > /tmp/wrote
    cp /tmp/wrote /mnt/LOAD.BIN && cp /mnt/PATTERN.BIN /mnt/COPY.BIN && sync || return 1
    echo 3 > /proc/sys/vm/drop_caches
    cmp /tmp/wrote /mnt/LOAD.BIN || return 1
    set -- $(sha256sum /mnt/COPY.BIN)
    [ "$1" = "$(argument disk)" ]
}

# Each kind of work that the machine has, again and again.
load() {
    before=$(late)
    works=
    if [ -e /dev/nvme0n1 ]; then
        mount -t vfat -o iocharset=ascii,utf8=0 /dev/nvme0n1 /mnt
        works="$works disk"
    fi
    [ -z "$nic" ] || works="$works http"
    if [ -n "$(argument peer)" ]; then
        works="$works lan_fetch"
    elif [ -n "$(argument lan)" ]; then
        lan_data > /tmp/data
        while :; do nc -l -p 7000 < /tmp/data; done &
    fi
    echo "BH-LOAD begins:$works"
    rounds=0
    failures=0
    end=$(($(seconds) + $(argument seconds)))
    while [ $rounds = 0 ] || [ "$(seconds)" -lt "$end" ]; do
        rounds=$((rounds + 1))
        for work in $works; do
            case $work in
            disk) load_disk $rounds ;;
            *) check_$work ;;
            esac > /tmp/said 2>&1 && continue
            failures=$((failures + 1))
            echo "BH-LOAD failed: $work in round $rounds: $(tail -n 1 /tmp/said)"
        done
    done
    sync
    # Those that are asked and not done: reads and writes. A disk with several paths counts them by path.
    open=$(cat /sys/block/nvme*/inflight 2> /dev/null | awk '{ sum += $1 + $2 } END { print sum + 0 }')
    requests=$(cat /sys/block/nvme*/stat 2> /dev/null | awk '{ sum += $1 + $5 } END { print sum + 0 }')
    echo "BH-LOAD end rounds $rounds failures $failures late $(($(late) - before)) open $open requests $requests interrupts $(nvme_interrupts) done"
    umount /mnt 2> /dev/null
    # Who serves waits for who asks.
    if [ -n "$(argument peer)" ]; then
        for try in $(seq 1 600); do
            echo end | nc -w 60 "10.9.0.$(argument peer)" 7002 2> /dev/null && break
            sleep 0.5
        done
    elif [ -n "$(argument lan)" ]; then
        nc -l -p 7002 > /dev/null < /tmp/open
    fi
}

# How many endpoints the kernel has reset after errors.
resets() {
    sed -n 's/^eeh_slot_resets=//p' /proc/powerpc/eeh
}

# Works with both devices until both were stopped and have recovered.
check_recovery() {
    tries=0
    while [ $tries -lt 120 ]; do
        dd if=/dev/nvme0n1 of=/dev/null bs=64k count=16 iflag=direct 2> /dev/null
        ping -c 1 -W 2 10.0.2.2 > /dev/null
        if [ "$(dmesg | grep -c 'EEH: Recovery successful')" -ge 2 ]; then
            echo "after $tries tries: $(resets) resets"
            [ "$(resets)" -ge 2 ]
            return
        fi
        tries=$((tries + 1))
        sleep 1
    done
    echo "$(resets) resets; $(dmesg | grep EEH | tail -n 3 | tr '\n' '/')"
    return 1
}

# Whether the kernel takes a device for neither stopped nor on its way back: the platform's word and the kernel's own.
is_well() {
    { read -r platform kernel < "/sys/bus/pci/devices/$1/eeh_pe_state"; } 2> /dev/null || return 1
    [ $((platform & 0x18)) -eq $((0x18)) ] && [ $((kernel & 3)) -eq 0 ]
}

# Whether a device can be broken and recovered: not a bridge, a virtual function, or one whose driver does not recover, nor
# one that is not well to begin with, as those are that have no EEH.
is_breakable() {
    path=/sys/bus/pci/devices/$1
    [ ! -e "$path/pci_bus" ] && [ ! -e "$path/physfn" ] && is_well "$1" || return 1
    [ "$(basename "$(readlink "$path/driver")")" != ahci ]
}

# Has the kernel read a register of a device that it has kept from answering, see that it is stopped, and recover it.
break_one() {
    before=$(resets)
    is_well "$1" || return 1
    echo "$1" > /sys/kernel/debug/powerpc/eeh_dev_break || return 1
    echo "$1" > /sys/kernel/debug/powerpc/eeh_dev_check || return 1
    tries=0
    until is_well "$1" && [ "$(resets)" -gt "$before" ]; do
        tries=$((tries + 1))
        [ $tries -lt 60 ] || return 1
        sleep 1
    done
}

# What breaking devices needs: that errors are recovered at all, the files to break them by, and no limit.
prepare_breaks() {
    mount -t debugfs debugfs /sys/kernel/debug || return 1
    grep -q 'EEH Subsystem is enabled' /proc/powerpc/eeh || { echo "the kernel has no EEH"; return 1; }
    echo 5000 > /sys/kernel/debug/powerpc/eeh_max_freezes
}

# Breaks each device that can recover, one after the other, as the kernel's own test of EEH does.
check_break() {
    prepare_breaks || return 1
    lspci > /tmp/devices
    chosen=
    skipped=0
    for path in /sys/bus/pci/devices/*.0; do
        if is_breakable "${path##*/}"; then
            chosen="$chosen ${path##*/}"
        else
            skipped=$((skipped + 1))
        fi
    done
    failed=0
    for device in $chosen; do
        break_one "$device" && continue
        echo "$device did not recover: $(dmesg | grep EEH | tail -n 3 | tr '\n' '/')"
        failed=$((failed + 1))
    done
    told="$failed of $(echo $chosen | wc -w) failed to recover, $skipped skipped"
    echo "$told"
    lspci | diff /tmp/devices - && [ "$told" = "0 of 2 failed to recover, 1 skipped" ]
}

# The kernel's own test of EEH, from the disk, which is one of the devices that it breaks.
check_eeh_basic() {
    prepare_breaks || return 1
    mount -t vfat -o iocharset=ascii,utf8=0 /dev/nvme0n1 /mnt && cp /mnt/eeh-*.sh /tmp && umount /mnt || return 1
    cd /tmp
    { sh ./eeh-basic.sh 2>&1; echo "exit $?"; } | tee said | while read -r line; do echo "BH-NOTE $line"; done > /dev/console
    cd /
    tail -n 2 /tmp/said | tr '\n' ' '
    # Its last word is on the devices: a difference before and after would come behind it.
    [ "$(tail -n 2 /tmp/said)" = "0 devices failed to recover (2 tested)
exit 0" ]
}

run_checks() {
    check cpus check_cpus
    before=$(nvme_interrupts)
    check nvme-read check_nvme_read
    check nvme-write check_nvme_write
    check nvme-interrupts check_nvme_interrupts
    grep -E "CPU0|nvme|${nic:-eth0}" /proc/interrupts | sed 's/^/BH-NOTE /'
    # Since the start, in hundredths of a second: user, nice, system, idle, iowait, irq, softirq, steal.
    sed -n 's/^cpu  */BH-NOTE stat /p' /proc/stat
    check ping check_ping
    check http check_http
    if [ $failures = 0 ]; then
        echo "BH-CHECK all ok 6"
    else
        echo "BH-CHECK all failed $failures"
    fi
    poweroff -f
}

case "$(argument test)" in
spine)
    run_checks
    ;;
break)
    check break check_break
    run_checks
    ;;
eeh-basic)
    check eeh-basic check_eeh_basic
    run_checks
    ;;
recovery)
    check recovery check_recovery
    run_checks
    ;;
lan)
    check cpus check_cpus
    mkfifo /tmp/open
    exec 3<> /tmp/open
    check lan-ping check_lan_ping 56
    check lan-ping-large check_lan_ping 20000
    check lan-fetch check_lan_fetch
    check lan-send check_lan_send
    check lan-interrupts check_lan_interrupts
    if [ $failures = 0 ]; then
        echo "BH-CHECK all ok 6"
    else
        echo "BH-CHECK all failed $failures"
    fi
    poweroff -f
    ;;
lan-serve)
    mkfifo /tmp/open
    exec 3<> /tmp/open
    lan_serve
    # The last bytes are still on their way.
    sleep 2
    poweroff -f
    ;;
boot)
    # The first counts from the machine's reset, the second from the start of the kernel's clock.
    echo "BH-BENCH purr $(cat /sys/devices/system/cpu/cpu0/purr) $(sed -n 's/^now at \([0-9]*\) nsecs.*/now \1ns/p' /proc/timer_list)"
    echo BH-READY
    poweroff -f
    ;;
bench)
    bench_nvme
    bench_hcalls
    echo "BH-BENCH end"
    poweroff -f
    ;;
rates)
    bench_nvme
    [ -z "$(argument port)" ] || bench_network
    echo "BH-BENCH end"
    poweroff -f
    ;;
load)
    mkfifo /tmp/open
    exec 3<> /tmp/open
    load
    poweroff -f
    ;;
esac

echo
echo "Linux $(uname -r) in a Bulkhead partition: $(grep -c '^processor' /proc/cpuinfo) CPUs, $(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo) MiB."
echo "Leaving this shell ends the partition. BH-READY"
# Without -f they would ask the first process, which is this script and does not listen.
echo "alias poweroff='poweroff -f' halt='halt -f' reboot='reboot -f'" > /etc/profile
# A session of its own with a controlling terminal, so that Ctrl-C reaches what runs in the shell.
terminal=/dev/$(sed 's/.* //' /sys/class/tty/console/active)
setsid sh -c "exec sh -l < $terminal > $terminal 2>&1"
poweroff -f
