# Goes on after `init.sh`, with the tools of the host: runs the programs that
# `cargo xtask kernels` writes below this text.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root TERM=dumb LANG=C.UTF-8

program() { # NAME SECONDS DIRECTORY COMMAND…
    name=$1 seconds=$2 directory=$3
    shift 3
    echo "begin $name" >&3
    (
        cd "$directory" || exit
        export CARGO_MANIFEST_DIR="$directory"
        # In a session of its own: the kernel hangs up process groups that lose
        # their last tie to their session while a test has stopped one of them.
        exec setsid -w timeout -k 5 "$seconds" "$@"
    ) < /dev/null > "/run/ports/$name" 2>&1 3>&-
    echo "end $name $?" >&3
}

finish() {
    echo finished >&3
    # The host ends the machine when it is restarted.
    echo b > /proc/sysrq-trigger
}

echo started >&3
