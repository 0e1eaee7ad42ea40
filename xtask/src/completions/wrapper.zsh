# Completes `cargo xtask …` in the socket course, for zsh; made by `cargo xtask completions zsh`.

_xtask_course_engine='
@ENGINE@
'

_xtask_course() {
    local at=2 candidates line
    local -a offers
    [[ ${words[2]} == +* ]] && at=3
    if [[ ${words[at]} != xtask ]] || (( CURRENT <= at )) || ! candidates=$(
        sh -c "$_xtask_course_engine" xtask "${(@)words[at + 1, CURRENT]}"
    ); then
        ${_xtask_course_former:-_default} "$@"
        return
    fi
    if [[ $candidates == :files ]]; then
        [[ $PREFIX == --*=* ]] && compset -P '*='
        _files
        return
    fi
    for line in ${(f)candidates}; do
        # A colon ends the word for _describe, so one inside it is escaped.
        if [[ $line == *$'\t'?* ]]; then
            offers+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
        else
            offers+=("${${line%%$'\t'*}//:/\\:}")
        fi
    done
    _describe 'cargo xtask' offers
}

if (( ! $+functions[compdef] )); then
    autoload -Uz compinit
    compinit
fi
[[ ${_comps[cargo]-} == _xtask_course ]] || _xtask_course_former=${_comps[cargo]-}
compdef _xtask_course cargo
