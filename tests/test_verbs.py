"""The table of commands: groups have words, summaries are sentences, nothing is there twice."""

from __future__ import annotations

from phiz.verbs import GROUPS, VERBS


def test_summaries_are_sentences() -> None:
    assert [name for name, verb in VERBS.items() if not verb.summary.endswith(".")] == []
    assert len({verb.home for verb in VERBS.values()}) == len(VERBS)


def test_words_of_a_group_stand_together() -> None:
    firsts = [name.split(" ")[0] for name in VERBS]
    for group in GROUPS:
        places = [place for place, first in enumerate(firsts) if first == group]
        assert places == list(range(places[0], places[0] + len(places))), group
