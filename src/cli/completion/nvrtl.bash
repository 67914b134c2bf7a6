# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Completion of nvrtl(1) for bash. Stands alone; with the package bash-completion the program that
# `nvrtl run` starts is completed as on a line of its own.

_nvrtl_kinds='unflushed-write undrained-flush unordered-commit torn-commit outside-region bad-token
    unflushed-stream unpersisted-read overwritten-unflushed overlapping-write leaked-token
    redundant-flush redundant-drain crash-inconsistency'
_nvrtl_questions='flush flush-drain write fill write-start write-flush write-persist fill-zero deferred ranges
    pages commits threads tokens'

# _nvrtl_offer <words>: what begins as the current word
_nvrtl_offer() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

# _nvrtl_offer_files <-f or -d>; -o filenames quotes, and goes on behind a folder
_nvrtl_offer_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

# _nvrtl_offer_value <option>: fails for an option that takes no value
_nvrtl_offer_value() {
    local before
    case $1 in
    -j | --judge) _nvrtl_offer 'strict memory page-cache actual' ;;
    -r | --report)
        before=${cur%"${cur##*,}"}
        mapfile -t COMPREPLY < <(compgen -P "$before" -W 'text json sarif junit html' -- "${cur##*,}")
        ;;
    -s | --stores)
        [[ ${COMP_WORDS[1]} == run ]] && _nvrtl_offer 'auto api hooks pages pages=interval'
        [[ ${COMP_WORDS[1]} == record || $1 == --stores && ${COMP_WORDS[1]} != run ]] &&
            _nvrtl_offer 'auto api hooks pages=interval'
        return 0
        ;;
    --streams) _nvrtl_offer 'drain inplace' ;;
    --stacks) _nvrtl_offer 'cached full site' ;;
    --enable | --disable) _nvrtl_offer "all $_nvrtl_kinds" ;;
    -o | --output)
        _nvrtl_offer_files "$([[ ${COMP_WORDS[1]} == @(trace|record) ]] && echo -f || echo -d)"
        ;;
    --keep | --base | --directory) _nvrtl_offer_files -d ;;
    --suppressions | --watch | --svg) _nvrtl_offer_files -f ;;
    --severity) _nvrtl_offer 'error warning performance note' ;;
    --pid) _nvrtl_offer "$(cd /proc && printf '%s ' [0-9]*)" ;;
    --vs) _nvrtl_offer 'libpmem' ;;
    --model)
        _nvrtl_offer "x86 eadr page$([[ ${COMP_WORDS[1]} == cut ]] || echo ' arm')"
        ;;
    --direct64) _nvrtl_offer 'atomic pieces' ;;
    --explain | --image | --import-pmemcheck | --resume) _nvrtl_offer_files -f ;;
    --error-exitcode | --at | --memory | --first | -j | --jobs | --shard | --images) COMPREPLY=() ;;
    -n | --runs | --seed | --time | --timeout | --check-timeout) COMPREPLY=() ;;
    -c | --check | --reset | --replay | --respawn | --exhaustive) COMPREPLY=() ;;
    *) return 1 ;;
    esac
}

_nvrtl_offer_options() {
    local options='--help --usage'
    case $1 in
    info) options+=' --json --pid=' ;;
    run)
        options+=' --disable= --enable= --error-exitcode= --gen-suppressions --judge= --output='
        options+=' --profile'
        options+=' --report= --stacks= --stores= --streams= --suppressions= --watch= -j -r -s'
        ;;
    record) options+=' --output= --stores= --watch= -o -s' ;;
    cut)
        options+=' --at= --check= --first= --jobs= --keep= --model= --reset= --runs= --seed='
        options+=' --stores= --time= --timeout= --watch= -c -j -n -s'
        ;;
    crash)
        options+=' --atomic --check-timeout= --check= --direct64= --enumerate --exhaustive='
        options+=' --explain= --image= --nested'
        options+=' --images= --import-pmemcheck= --isolate --jobs= --keep= --memory= --model='
        options+=' --output= --replay= --report= --respawn= --resume= --seed= --shard='
        options+=' --stable-pages --stores= --streams= --time= --watch= -c -j -r'
        ;;
    trace) options+=' --import-pmemcheck= --output= -o' ;;
    report) options+=' --base= --json --severity= --suppressions=' ;;
    bench) options+=' --calibrate --csv --directory= --quick --svg= --vs=' ;;
    copy) options+=' --force -f' ;;
    flush) ;;
    *) options='--help --version' ;;
    esac
    _nvrtl_offer "$options"
    [[ ${COMPREPLY[*]} == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}

# Counts the arguments before the current word in $arguments, and notes in $first where the first
# one is. Bash has split --option=value into three words.
_nvrtl_scan() {
    local at word
    arguments=0 first=0 closed=
    for ((at = 2; at < COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if [[ -z $closed && $word == -- ]]; then
            closed=yes
        elif [[ -z $closed && $word == -?* ]]; then
            if [[ ${COMP_WORDS[at + 1]} == = ]]; then
                ((at += 2))
            elif [[ $word != *=* ]] && cur='' _nvrtl_offer_value "$word"; then
                ((at++))
            fi
        else
            ((arguments++ == 0)) && first=$at
            [[ ${COMP_WORDS[1]} == @(run|record|cut) ]] && break
        fi
    done
    COMPREPLY=()
}

# The program of `nvrtl run` and `nvrtl cut`, or an argument of it.
_nvrtl_offer_program() {
    if declare -F _command_offset >/dev/null; then
        _command_offset "$((first > 0 ? first : COMP_CWORD))"
    elif ((first > 0)) || [[ $cur == */* ]]; then
        _nvrtl_offer_files -f
    else
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    fi
}

_nvrtl_offer_argument() {
    case $1 in
    run | record | cut) _nvrtl_offer_program ;;
    info) ((arguments < 1)) && _nvrtl_offer_files -f ;;
    report)
        if ((arguments < 1)); then
            _nvrtl_offer 'text json sarif junit html merge diff fix suppressions'
        else
            _nvrtl_offer_files -f
        fi
        ;;
    bench) _nvrtl_offer "$_nvrtl_questions" ;;
    trace)
        if ((arguments < 1)); then
            _nvrtl_offer 'dump stat pack'
        else
            _nvrtl_offer_files -f
        fi
        ;;
    copy) ((arguments < 2)) && _nvrtl_offer_files -f ;;
    crash | flush) ((arguments < 1)) && _nvrtl_offer_files -f ;;
    help) ((arguments < 1)) && _nvrtl_offer 'info run record cut crash trace report bench copy flush' ;;
    esac
    return 0
}

_nvrtl() {
    local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]} arguments first closed
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        if [[ $cur == -* ]]; then
            _nvrtl_offer_options ''
        else
            _nvrtl_offer 'info run record cut crash trace report bench copy flush help'
        fi
        return 0
    fi
    _nvrtl_scan
    if [[ -n $closed ]] || { [[ $command == @(run|record|cut) ]] && ((first > 0)); }; then
        _nvrtl_offer_argument "$command"
        return 0
    fi
    if [[ $cur == = ]]; then
        cur=
        _nvrtl_offer_value "$previous" && return 0
    elif [[ $previous == = ]]; then
        _nvrtl_offer_value "${COMP_WORDS[COMP_CWORD - 2]}" && return 0
    elif [[ $previous == -* ]] && _nvrtl_offer_value "$previous"; then
        return 0
    fi
    if [[ $cur == -* && $command != help ]]; then
        _nvrtl_offer_options "$command"
    else
        _nvrtl_offer_argument "$command"
    fi
}

complete -F _nvrtl nvrtl
