# fish completion for shmfsctl(1). The program knows its commands and options: its --help is asked.

function __shmfsctl_commands
    shmfsctl --help 2>/dev/null | string replace -rf '^  ([a-z]+)  +(.*)$' '$1\t$2'
end

function __shmfsctl_command
    set -l words (commandline -opc)
    test (count $words) -gt 1; and echo $words[2]
end

function __shmfsctl_is
    contains -- (__shmfsctl_command; or echo none) $argv
end

function __shmfsctl_options
    shmfsctl (__shmfsctl_command) --help 2>/dev/null | string replace -rf '^  (?:-.,)? *(--[a-z-]+=?)\S*  +(.*)$' '$1\t$2'
end

function __shmfsctl_columns
    set -l before (string match -r '^.*[,=]' -- (commandline -ct))
    shmfsctl ls --help 2>/dev/null | string replace -rf '^  ([A-Z]+)  +(.*)$' '$1\t$2' | while read -l -d \t name text
        printf '%s%s\t%s\n' "$before" (string lower $name) $text
    end
end

function __shmfsctl_kinds
    set -l before (string match -r '^.*[,=]' -- (commandline -ct))
    printf "$before%s\n" posix sem file sysv
end

function __shmfsctl_objects
    shmfsctl ls --no-headings -o name 2>/dev/null
end

# Is the word before one of these options?
function __shmfsctl_after
    contains -- (commandline -opc)[-1] $argv
end

complete -c shmfsctl -f
complete -c shmfsctl -n 'test (count (commandline -opc)) -eq 1' -a '(__shmfsctl_commands)'
complete -c shmfsctl -n 'test (count (commandline -opc)) -eq 1' -s V -l version -d 'The version'
complete -c shmfsctl -s h -l help -d 'A summary'
complete -c shmfsctl -n 'test (count (commandline -opc)) -gt 1; and string match -q -- "-*" (commandline -ct)' -a '(__shmfsctl_options)'
complete -c shmfsctl -n '__shmfsctl_is ls; and __shmfsctl_after -o --output -s --sort' -a '(__shmfsctl_columns)'
complete -c shmfsctl -n '__shmfsctl_after -k --kind' -a '(__shmfsctl_kinds)'
complete -c shmfsctl -n '__shmfsctl_after -u --user' -a '(__fish_complete_users)'
complete -c shmfsctl -n '__shmfsctl_after --dir' -a '(__fish_complete_directories)'
complete -c shmfsctl -n '__shmfsctl_is dump metrics; and __shmfsctl_after -o --output' -F
complete -c shmfsctl -n '__shmfsctl_is ls who stat dump load gc; and not __shmfsctl_after -o --output -s --sort -k --kind -u --user --dir' -a '(__shmfsctl_objects)'
complete -c shmfsctl -n '__shmfsctl_is who stat dump load; and string match -q "*/*" -- (commandline -ct)' -F
complete -c shmfsctl -n '__shmfsctl_is load; and test (count (commandline -opc)) -gt 2' -F
