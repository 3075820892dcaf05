# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Varied metadata of records: with ids and free text, complete and sparse."""

from datetime import timedelta

from .visits import Choice

_type = Choice(
    {
        "dataset": 35,
        "publication-article": 25,
        "software": 10,
        "publication-dissertation": 8,
        "publication-preprint": 8,
        "presentation": 6,
        "image-figure": 4,
        "video": 2,
        "other": 2,
    }
)
_languages = Choice(
    [
        (("eng",), 55),
        (("deu",), 12),
        (("fra",), 6),
        (("eng", "spa"), 5),
        (("zho", "eng"), 3),
        (("swa",), 1),
        ((), 18),
    ]
)
_subject = Choice(
    [
        ({"id": "https://subjects.example.org/climate"}, 6),
        ({"id": "https://subjects.example.org/genomics"}, 4),
        ({"id": "https://subjects.example.org/linguistics"}, 3),
        ({"id": "https://subjects.example.org/particle-physics"}, 2),
        ({"id": "https://subjects.example.org/urban-planning"}, 2),
        ({"subject": "open data"}, 4),
        ({"subject": "Überflutung"}, 2),
        ({"subject": "machine learning"}, 3),
    ]
)
_rights = Choice(
    [
        ([{"id": "cc-by-4.0"}], 50),
        ([{"id": "cc0-1.0"}], 15),
        ([{"id": "cc-by-nc-4.0"}], 8),
        ([{"id": "mit"}], 8),
        ([{"title": {"en": "Licence of the Demonstration Archive"}}], 5),
        ([{"id": "cc-by-4.0"}, {"id": "mit"}], 3),
        ([], 11),
    ]
)
_funder = Choice(
    [
        ({"id": "00k4n6c32"}, 12),
        ({"id": "021nxhr62"}, 7),
        ({"id": "00yjd3n13"}, 6),
        ({"name": "Stiftung Beispiel"}, 5),
        (None, 70),
    ]
)
_affiliation = Choice(
    [
        ({"id": "01ggx4157"}, 6),
        ({"id": "04wxnsj81"}, 4),
        ({"id": "05m7nx104"}, 4),
        ({"name": "Independent researcher"}, 3),
        ({"name": "Lycée Voltaire, Paris"}, 2),
        (None, 4),
    ]
)
_publisher = Choice(
    {"Demonstration repository": 60, "Zenodo": 15, "Springer Nature": 10, None: 15}
)
_journal = Choice(
    {
        "Journal of Open Examples": 5,
        "Annals of Counting": 3,
        "Zeitschrift für Proben": 2,
    }
)
_names = ("Ann Adams", "Bo Ek", "Chen Li", "Dora Díaz", "Émile Roy", "Fatou Sow")

_file = Choice(
    [
        ("data.csv", 8),
        ("paper.pdf", 8),
        ("Figure 1.PNG", 3),
        ("archive.tar.gz", 2),
        ("notebook.ipynb", 2),
        ("code.zip", 4),
        ("Übersicht (final).xlsx", 2),
        ("readings.json", 3),
        ("README", 1),
    ]
)


def files(rng):
    """Return ``(name, bytes)`` of one to four files of different names."""
    names = {_file(rng) for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4)))}
    return tuple(
        (name, min(60_000, 20 + int(rng.lognormvariate(7, 2))))
        for name in sorted(names)
    )


def metadata(rng, number, day):
    """Return metadata and custom fields of one record.

    Args:
        rng: source of chance.
        number: told in the title.
        day: the day of its publication in the repository.

    Returns:
        tuple[dict, dict]: ``metadata`` and ``custom_fields``.
    """
    kind = _type(rng)
    data = {
        "title": f"Demonstration {kind.split('-')[-1]} {number}",
        "resource_type": {"id": kind},
        "publication_date": _publication_date(rng, day),
        "creators": [_person(rng) for _ in range(rng.choice((1, 1, 2, 3)))],
        "description": "Made by run-demo.sh.",
        "languages": [{"id": language} for language in _languages(rng)],
        "rights": _rights(rng),
        "subjects": _distinct(_subject(rng) for _ in range(rng.choice((0, 1, 2, 3)))),
    }
    if publisher := _publisher(rng):
        data["publisher"] = publisher
    if funder := _funder(rng):
        data["funding"] = [{"funder": funder}]
    if rng.random() < 0.25:
        # an affiliation that only a contributor brings along
        person = {**_person(rng), "role": {"id": "datacollector"}}
        person["affiliations"] = [{"name": "Feldstation Nord"}]
        data["contributors"] = [person]
    custom = {}
    if kind == "publication-article":
        custom["journal:journal"] = {"title": _journal(rng), "volume": str(number % 40)}
    return data, custom


def _person(rng):
    given, family = rng.choice(_names).split(" ", 1)
    person = {
        "person_or_org": {
            "type": "personal",
            "given_name": given,
            "family_name": family,
        }
    }
    if affiliation := _affiliation(rng):
        person["affiliations"] = [affiliation]
    return person


def _publication_date(rng, day):
    """Return an EDTF date: a day, a month, a year or an interval, near or old."""
    old = day - timedelta(days=rng.randrange(30, 9000))
    return rng.choice(
        (
            day.isoformat(),
            day.isoformat(),
            day.isoformat(),
            old.isoformat(),
            f"{old:%Y-%m}",
            f"{old:%Y}",
            f"{old:%Y}/{day:%Y}",
        )
    )


def _distinct(values):
    """Return the values without repetition, in their order."""
    return list({str(value): value for value in values}.values())
