"""``completion``: a script by which bash completes commands, options and their values."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from .options import build_parser

_SCRIPT = """\
_fastmlp() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} found=
    if [[ $COMP_CWORD == 1 ]]; then
        found="{commands}"
    else
        case "${{COMP_WORDS[1]}} $before" in
{values}
            *) [[ $word != -* ]] || case "${{COMP_WORDS[1]}}" in
{options}
            esac ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$found" -- "$word"))
}}
complete -o default -F _fastmlp fastmlp"""


def run(options: argparse.Namespace) -> int:
    """Print the script; where it has no words the shell completes names of files."""
    commands = {name: list(_options(parser)) for name, parser in _commands().items()}
    print(
        _SCRIPT.format(
            commands=" ".join(commands),
            values="\n".join(
                _case(" | ".join(f'"{name} {flag}"' for flag in flags), values)
                for name, found in commands.items()
                for flags, values in found
                if values
            ),
            options="\n".join(
                _case(name, [flag for flags, _ in found for flag in flags])
                for name, found in commands.items()
            ),
        )
    )
    return 0


def _case(pattern: str, words: list[str]) -> str:
    return f'            {pattern}) found="{" ".join(words)}" ;;'


def _commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    (found,) = (each for each in build_parser()._actions if isinstance(each, argparse._SubParsersAction))
    return dict(found.choices)


def _options(parser: argparse.ArgumentParser) -> Iterator[tuple[list[str], list[str]]]:
    """The names of each option, and the values that it is one of."""
    for action in parser._actions:
        names = [name for name in action.option_strings if name.startswith("--")]
        if names:
            yield names, [str(value) for value in action.choices or ()]
