"""How generated programs are run."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

#: From so many examples on, a program that fails is also made smaller, which takes minutes on a slow storage.
_THOROUGH = 100


def program_settings(examples: int, *, steps: int, share: int = 1) -> settings:
    """The same programs in every run.

    Args:
        examples: What `--oauth-codex-examples` says.
        steps: Most steps of a program.
        share: One of so many examples is run, for programs that take long.
    """
    phases = [Phase.explicit, Phase.generate, *([Phase.shrink] if examples >= _THOROUGH else [])]
    return settings(
        max_examples=max(1, examples // share),
        stateful_step_count=steps,
        derandomize=True,
        deadline=None,
        database=None,
        print_blob=False,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
