from dataclasses import asdict

import pytest

from gapsack.dashboards.figures.theme import DARK, LIGHT, Theme, member_colour, recolouring


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.1."""
    channels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_light_colours_are_distinct_so_that_exchanging_them_is_exact() -> None:
    colours = list(asdict(LIGHT).values())
    assert len(set(colours)) == len(colours)
    assert recolouring() == dict(zip(colours, asdict(DARK).values(), strict=True))


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_and_marks_stand_out_from_the_paper(theme: Theme) -> None:
    assert contrast(theme.ink, theme.paper) > 7
    assert contrast(theme.muted, theme.paper) > 4.5
    assert contrast(theme.muted, theme.raised) > 4.5
    assert contrast(theme.accent, theme.paper) > 4.5
    # Names are written upon the members' colours in the colour of the paper.
    assert min(contrast(colour, theme.paper) for colour in theme.members) > 4


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_upon_the_heat_map_can_be_read(theme: Theme) -> None:
    assert min(contrast(theme.on_low, colour) for colour in (theme.heat0, theme.heat1, theme.heat2)) > 4.5
    assert contrast(theme.on_high, theme.heat4) > 4.5
    assert contrast(theme.on_high, theme.heat3) > 4


def test_members_beyond_the_palette_share_its_last_colour() -> None:
    assert member_colour(LIGHT, 0) == LIGHT.member0
    assert member_colour(LIGHT, 99) == LIGHT.member5
