# Completes `cargo xtask …` in the socket course, for bash; made by `cargo xtask completions bash`.

_xtask_course_engine='
@ENGINE@
'

_xtask_course() {
    local at=1 current=${COMP_WORDS[COMP_CWORD]} candidates line
    [[ ${COMP_WORDS[1]-} == +* ]] && at=2
    if [[ ${COMP_WORDS[at]-} != xtask ]] || ((COMP_CWORD <= at)) || ! candidates=$(
        sh -c "$_xtask_course_engine" xtask "${COMP_WORDS[@]:at+1:COMP_CWORD-at}"
    ); then
        _xtask_course_else "$@"
        return
    fi
    [[ $current == = ]] && current=
    COMPREPLY=()
    if [[ $candidates == :files ]]; then
        compopt -o filenames 2>/dev/null
        candidates=$(compgen -f -- "$current")
    fi
    while IFS= read -r line; do
        line=${line%%$'\t'*}
        [[ -n $line && $line == "$current"* ]] && COMPREPLY+=("$line")
    done <<<"$candidates"
    return 0
}

# What completed cargo before. Many systems load that only when it is first needed.
_xtask_course_else() {
    if [[ -z $_xtask_course_former ]]; then
        if declare -F _comp_load >/dev/null; then
            _comp_load cargo
        elif declare -F _completion_loader >/dev/null; then
            _completion_loader cargo
        fi
        _xtask_course_find
        complete -F _xtask_course cargo
        : "${_xtask_course_former:=none}"
    fi
    if [[ $_xtask_course_former == none ]]; then
        COMPREPLY=()
        compopt -o default 2>/dev/null
    else
        "$_xtask_course_former" "$@"
    fi
}

_xtask_course_find() {
    local known
    known=$(complete -p cargo 2>/dev/null) || return 0
    [[ $known == *" -F "* ]] || return 0
    known=${known#* -F }
    known=${known%% *}
    [[ $known == _xtask_course ]] || _xtask_course_former=$known
}

: "${_xtask_course_former:=}"
_xtask_course_find
complete -F _xtask_course cargo
