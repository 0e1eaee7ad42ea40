# Completes `cargo xtask …` in the socket course, for fish; made by `cargo xtask completions fish`.

set -g __xtask_course_engine '
@ENGINE@
'

# The words after `cargo xtask`, without the one being typed; status 1 for other command lines.
function __xtask_course_words
    set -l words (commandline -opc)
    set -e words[1]
    if string match -q -- '+*' $words[1]
        set -e words[1]
    end
    test "$words[1]" = xtask; or return 1
    set -e words[1]
    printf '%s\n' $words
end

function __xtask_course_applies
    __xtask_course_words >/dev/null
end

function __xtask_course
    set -l current (commandline -ct)
    set -l candidates (sh -c $__xtask_course_engine xtask (__xtask_course_words) "$current")
    if test "$candidates" = :files
        set -l option (string match -r '^--[^=]*=' -- "$current")
        set -l path (string replace -r '^--[^=]*=' '' -- "$current")
        for each in (__fish_complete_path "$path")
            echo "$option$each"
        end
    else if test -n "$candidates"
        printf '%s\n' $candidates
    end
end

complete -c cargo -n __xtask_course_applies -f -a '(__xtask_course)'
