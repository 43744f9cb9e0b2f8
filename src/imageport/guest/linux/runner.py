"""The first-boot runner of Linux guests: a oneshot unit and a shell script with numbered steps."""

from __future__ import annotations

from typing import Final

FOLDER: Final = "/usr/lib/imageport"
RUN_FOLDER: Final = f"{FOLDER}/first-boot"
RUN: Final = f"{RUN_FOLDER}/run"
STEPS: Final = f"{RUN_FOLDER}/steps"
UNIT: Final = "imageport-first-boot.service"
UNIT_FILE: Final = f"/etc/systemd/system/{UNIT}"
UNIT_LINK: Final = f"/etc/systemd/system/multi-user.target.wants/{UNIT}"
REPORT: Final = "/var/lib/imageport/first-boot.report"

RESTART: Final = 249
"""What a step exits with that is done and needs a restart before the next one. One that restarts
the machine by itself is run again after it."""

UNIT_TEXT: Final = f"""\
[Unit]
Description=First boot of an image prepared by imageport
After=network.target
ConditionPathExists={RUN}

[Service]
Type=oneshot
ExecStart=/bin/sh {RUN}
TimeoutStartSec=900
StandardOutput=journal
StandardError=journal

[Install]
WantedBy=multi-user.target
"""

RUN_TEXT: Final = f"""\
#!/bin/sh
# Runs the numbered steps once, writes what happened into the report, removes itself and reboots.
# A step that exits with {RESTART} gets a restart: those behind it follow in the next boot.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
here={RUN_FOLDER}
report={REPORT}

# /dev/console is the last of the kernel's consoles: the others are written to as well.
read -r consoles < /sys/class/tty/console/active
say() {{
    for console in console tty1 ttyS0; do
        case "$console ${{consoles##* }}" in "tty1 tty0"|"ttyS0 ttyS0") continue ;; esac
        if [ -w "/dev/$console" ]; then
            printf 'imageport first-boot: %s\\r\\n' "$1" 2>/dev/null > "/dev/$console"
        fi
    done
}}

restart() {{
    sync
    systemctl --no-block reboot || reboot -f
    exit 0
}}

address() {{
    for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        found=$(ip -4 -o addr show scope global 2>/dev/null | awk '{{print $4; exit}}')
        [ -n "$found" ] && break
        # Without any interface but loopback there is nothing to wait for.
        [ "$(ls /sys/class/net)" = lo ] && break
        sleep 1
    done
    echo "${{found%%/*}}"
}}

boot_driver() {{
    # A btrfs is followed by its subvolume in brackets; a logical volume's name is a link.
    device=$(findmnt -n -o SOURCE / 2>/dev/null)
    device=$(readlink -f "${{device%%\\[*}}")
    path=$(readlink -f "/sys/class/block/${{device##*/}}" 2>/dev/null)
    while [ -d "$path/slaves" ]; do
        below=$(ls "$path/slaves" | head -n 1)
        [ -n "$below" ] || break
        path=$(readlink -f "/sys/class/block/$below")
    done
    driver=
    while [ -n "$path" ] && [ "$path" != / ] && [ "$path" != /sys ]; do
        if [ -e "$path/driver" ]; then
            name=$(basename "$(readlink -f "$path/driver")")
            # The disk's own driver and its transport's come first; the controller's is wanted.
            case "$name" in
                sd|virtio-pci|xen-platform-pci) ;;
                *) driver=$name; break ;;
            esac
        fi
        path=${{path%/*}}
    done
    echo "$driver"
}}

mkdir -p "${{report%/*}}"
boots=$(( $(cat "$here/boots" 2>/dev/null || echo 0) + 1 ))
echo "$boots" > "$here/boots"
[ "$boots" -eq 1 ] && : > "$report"
say "started"
{{
    echo "fact boots $boots"
    echo "fact kernel $(uname -r)"
    echo "fact root $(findmnt -n -o SOURCE / 2>/dev/null)"
    echo "fact boot-driver $(boot_driver)"
    echo "fact address $(address)"
}} >> "$report"

for step in "$here"/steps/[0-9]*-*; do
    [ -f "$step" ] || continue
    file=${{step##*/}}
    number=${{file%%-*}}
    name=${{file#*-}}
    say "step $number $name"
    sh "$step" > /run/imageport-step.log 2>&1
    status=$?
    wanted=
    if [ "$status" -eq {RESTART} ]; then
        wanted=yes
        status=0
    fi
    if [ "$status" -ne 0 ]; then
        say "step $number $name failed with $status: $(tail -n 1 /run/imageport-step.log)"
    fi
    # Said before it is forgotten: a step cut short in between is run twice, never left out.
    echo "step $number $name $status" >> "$report"
    rm -f "$step"
    if [ "$wanted" ]; then
        echo restart >> "$report"
        say "step $number $name asks for a restart"
        restart
    fi
done

echo "fact uptime $(cut -d ' ' -f 1 /proc/uptime)" >> "$report"
rm -f {UNIT_LINK} {UNIT_FILE}
rm -rf {RUN_FOLDER}
rmdir {FOLDER} 2>/dev/null
echo complete >> "$report"
say "complete, rebooting"
restart
"""


def step_path(number: int, name: str) -> str:
    """Where the step `number` lies; two digits, so that names sort as numbers do."""
    return f"{STEPS}/{number:02d}-{name}"
