# fish completion for shmfs(8)

function __shmfs_options
    set -l before (string match -r '^.*,' -- (commandline -ct | string replace -r '^-o' ''))
    printf "$before%s\n" allow_other no_allow_other default_permissions replace shm_dir= ipcns= \
        prefix= size= nr_objects= max_object= prealloc umask= mode= uid= gid= config= \
        mmap=coherent mmap=cached entry_timeout= attr_timeout= max_threads= poll= awake= \
        no_passthrough no_resend no_seccomp no_supervise fsname= max_read= context= fscontext= defcontext= \
        rootcontext= debug defaults ro rw suid nosuid dev nodev exec noexec atime noatime diratime \
        nodiratime relatime norelatime strictatime nostrictatime lazytime nolazytime sync async \
        dirsync symfollow nosymfollow auto noauto nofail
end

complete -c shmfs -s o -x -a '(__shmfs_options)' -d Options
complete -c shmfs -s f -d 'Stay in the foreground'
complete -c shmfs -s d -d 'Stay in the foreground and print each request'
complete -c shmfs -s V -l version -d 'Versions, and what the kernel offers'
complete -c shmfs -s h -l help -d 'A summary'
complete -c shmfs -l reload -x -a '(findmnt -rn -t fuse.shmfs -o TARGET)' -d 'Read config= again, let the program on disk take over'
complete -c shmfs -f -n 'test (count (commandline -opc)) -eq 1' -a 'posix sysv all' -d View
complete -c shmfs -f -a '(__fish_complete_directories)'
