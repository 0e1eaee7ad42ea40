# Arguments: the words after `cargo xtask`, the last of them the one being typed.
# Prints candidates, a line each: the word, a tab, what it means; or `:files` where a path belongs.
# Status 1 outside the course.

commands() { cat <<'END'
@COMMANDS@
END
}

# The options of a command.
options() { case $1 in
@OPTIONS@
esac; }

# What follows an option of a command, given as "COMMAND --OPTION"; nothing for a switch.
value_of() { case $1 in
@VALUES@
esac; }

# What stands in a place of a command, given as "COMMAND PLACE", counted from 0.
place() { case $1 in
@PLACES@
esac; }

# The ids of a module's checks, and their titles.
checks_of() {
    sed -n '/^id = "/{
N
s/^id = "\([^"]*\)"\n\(title = "\([^"]*\)"\)*.*$/\1	\3/p
}' "$root/crates/$1/module.toml" 2>/dev/null
}

modules() {
    for each in "$root"/crates/*/module.toml; do
        each=${each%/module.toml}
        echo "${each##*/}"
    done
}

offer() {
    # The kind, and after it words: to be split here.
    set -- $1
    case ${1-} in
        commands) commands ;;
        modules) modules ;;
        checks) for each in ${named:-${here:-$(modules)}}; do checks_of "$each"; done ;;
        sources)
            for module in ${named:-$here}; do
                for each in "$root/solutions/$module"/src/*.rs; do echo "${each##*/}"; done
            done
            ;;
        words) shift; for each in "$@"; do echo "$each"; done ;;
        files) echo :files ;;
    esac
}

root=$PWD
until [ -f "$root/crates/tcp-echo/module.toml" ] && [ -d "$root/exercises" ]; do
    [ -n "$root" ] || exit 1
    root=${root%/*}
done
# The module in whose folder the user stands.
here=${PWD#"$root"}/
case $here in
    /exercises/?*/* | /solutions/?*/* | /crates/?*/*)
        here=${here#/*/}
        here=${here%%/*}
        [ -f "$root/crates/$here/module.toml" ] || here=
        ;;
    *) here= ;;
esac

command= pending= named= count=0
while [ $# -gt 1 ]; do
    word=$1
    shift
    # bash hands `--format=json` over in three words.
    [ "$word" = = ] && continue
    if [ -n "$pending" ]; then
        pending=
        continue
    fi
    case $word in
        -*) pending=$(value_of "$command $word") ;;
        *)
            if [ -z "$command" ]; then
                command=$word
            else
                count=$((count + 1))
                [ -f "$root/crates/$word/module.toml" ] && named="$named $word"
            fi
            ;;
    esac
done

case ${1-} in
    -*=*)
        option=${1%%=*}
        offer "$(value_of "$command $option")" | while IFS= read -r each; do
            case $each in
                :files) echo :files ;;
                *) echo "$option=$each" ;;
            esac
        done
        ;;
    *)
        if [ -n "$pending" ]; then
            offer "$pending"
        elif [ -z "$command" ]; then
            commands
        else
            case $1 in
                -*) options "$command" ;;
                *) offer "$(place "$command $count")" ;;
            esac
        fi
        ;;
esac
exit 0
