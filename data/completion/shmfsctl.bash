# shellcheck shell=bash
# bash completion for shmfsctl(1). The program knows its commands and options: its --help is asked.

# Offers the lines of standard input that begin with $1, after $2, quoted for the shell. (compgen -W would
# expand them, and names are made by anybody.)
_shmfsctl_offer() {
    local line quoted
    while IFS= read -r line; do
        printf -v quoted %q "$line"
        [[ $quoted != "$1"* ]] || COMPREPLY+=("${2-}$quoted")
    done
}

_shmfsctl_commands() {
    shmfsctl --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p'
}

_shmfsctl_options() {
    shmfsctl "$1" --help 2>/dev/null | sed -n 's/^  \(-.,\)\? *\(--[a-z-]*\).*/\2/p'
}

_shmfsctl_columns() {
    shmfsctl ls --help 2>/dev/null | sed -n 's/^  \([A-Z][A-Z]*\)  .*/\1/p' | tr '[:upper:]' '[:lower:]'
}

_shmfsctl_objects() {
    shmfsctl ls --no-headings -o name 2>/dev/null
}

# The last of several values with commas.
_shmfsctl_list() {
    local before=
    [[ $1 != *,* ]] || before=${1%,*},
    _shmfsctl_offer "${1##*,}" "$before"
    compopt -o nospace
}

# The value of an option; 1 when the option has none.
_shmfsctl_value() {
    case $1:$2 in
    ls:-o | ls:--output) _shmfsctl_list "$3" < <(_shmfsctl_columns) ;;
    *:-s | *:--sort) _shmfsctl_offer "$3" < <(_shmfsctl_columns) ;;
    *:-k | *:--kind) _shmfsctl_list "$3" < <(printf '%s\n' posix sem file sysv) ;;
    *:-u | *:--user) mapfile -t COMPREPLY < <(compgen -u -- "$3") ;;
    *:-m | *:--match) _shmfsctl_offer "$3" < <(_shmfsctl_objects) ;;
    *:--dir)
        mapfile -t COMPREPLY < <(compgen -d -- "$3")
        compopt -o filenames
        ;;
    *:-o | *:--output)
        mapfile -t COMPREPLY < <(compgen -f -- "$3")
        compopt -o filenames
        ;;
    *:--larger | *:--older | *:--mode | *:-i | *:--interval | *:-d | *:--delay | *:-n | *:--count) ;;
    *) return 1 ;;
    esac
}

# What stands where no option does: objects, paths in a mount, files to load.
_shmfsctl_argument() {
    case $1 in
    ls | who | stat | dump | load) _shmfsctl_offer "$2" < <(_shmfsctl_objects) ;;&
    who | stat | dump | load)
        [[ $2 != */* && $1 != load ]] || {
            mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$2")
            compopt -o filenames
        }
        ;;
    esac
}

_shmfsctl() {
    local typed=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} name=${COMP_WORDS[1]}
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        _shmfsctl_offer "$typed" < <(_shmfsctl_commands; printf '%s\n' --help --version)
        return
    fi
    # An = is a word of its own here.
    if [ "$typed" = = ]; then
        typed=
    elif [ "$before" = = ]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    _shmfsctl_value "$name" "$before" "$typed" && return
    if [[ $typed == -* ]]; then
        _shmfsctl_offer "$typed" < <(_shmfsctl_options "$name")
    else
        _shmfsctl_argument "$name" "$typed"
    fi
}

complete -F _shmfsctl shmfsctl
