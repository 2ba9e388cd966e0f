# shellcheck shell=bash
# bash completion for shmfs(8)

# Words of -o: after the last comma, and not offered where another one's value is being typed.
_shmfs_options() {
    local typed=$1 done=
    local words='allow_other no_allow_other default_permissions replace shm_dir= ipcns= prefix= size=
        nr_objects= max_object= prealloc umask= mode= uid= gid= config= mmap=coherent
        mmap=cached entry_timeout= attr_timeout= max_threads= poll= awake= no_passthrough no_resend
        no_seccomp no_supervise fsname= max_read= context= fscontext= defcontext= rootcontext= debug
        defaults ro rw suid nosuid dev nodev exec noexec atime noatime diratime nodiratime relatime
        norelatime strictatime nostrictatime lazytime nolazytime sync async dirsync symfollow
        nosymfollow auto noauto nofail'
    [[ $typed != *,* ]] || done=${typed%,*},
    local word=${typed##*,}
    case $word in
    shm_dir=* | ipcns=* | config=*)
        mapfile -t COMPREPLY < <(compgen -f -P "$done${word%%=*}=" -- "${word#*=}")
        ;;
    *)
        mapfile -t COMPREPLY < <(compgen -P "$done" -W "$words" -- "$word")
        ;;
    esac
    compopt -o nospace
}

# What is mounted already, for --reload. (Not by compgen -W, which would expand the names, and anybody
# can make a mount point.)
_shmfs_mounts() {
    local point type
    while read -r _ point type _; do
        printf -v point %q "$(printf '%b' "$point")"
        [[ $type != fuse.shmfs || $point != "$1"* ]] || COMPREPLY+=("$point")
    done </proc/self/mounts
}

# bash takes = for a separator of words, which those of -o contain: what the command line says from
# the last blank on is what counts.
_shmfs() {
    local line=${COMP_LINE:0:COMP_POINT} typed before
    typed=${line##*[[:space:]]}
    read -r -a before <<<"${line%"$typed"}"
    local last=${before[${#before[@]} - 1]}
    COMPREPLY=()
    if [ "$last" = -o ]; then
        _shmfs_options "$typed"
        [[ $typed != *=* || $COMP_WORDBREAKS != *=* ]] || COMPREPLY=("${COMPREPLY[@]#"${typed%"${typed##*=}"}"}")
    elif [ "$last" = --reload ]; then
        _shmfs_mounts "$typed"
    elif [[ $typed == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '-o -f -d -V -h --reload --version --help' -- "$typed")
    else
        mapfile -t COMPREPLY < <(
            [ ${#before[@]} -ne 1 ] || compgen -W 'posix sysv all' -- "$typed"
            compgen -d -- "$typed"
        )
        compopt -o filenames
    fi
}

complete -F _shmfs shmfs
