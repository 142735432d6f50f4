# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Completion for packice(1): commands and options from its own --help, ids from the node.

_packice_ids()
{
    local id
    while IFS= read -r id; do
        printf -v id '%q' "$id"
        COMPREPLY+=("$id")
    done < <(timeout 1 packice "${target[@]}" ls -- "$1" 2>/dev/null)
}

_packice()
{
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command='' i
    local -a target=()
    COMPREPLY=()

    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -t | --target | --token-file | --ca-file | --cert | --key)
            target+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]-}")
            ((i++))
            ;;
        -*) ;;
        *) [[ -n $command ]] || command=${COMP_WORDS[i]} ;;
        esac
    done
    case $previous in
    -t | --target | --token-file | --ca-file | --cert | --key | -o | --output)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    esac
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(packice ${command:+"$command"} --help 2>/dev/null |
            sed -nE 's/^  (-., |    )(--[a-z-]+).*/\2/p')" -- "$word")
    elif [[ -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(packice --help |
            sed -n 's/^  \([a-z]*\) .*/\1/p')" -- "$word")
    elif [[ $command == put ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    else
        _packice_ids "$word"
    fi
}

complete -F _packice packice
