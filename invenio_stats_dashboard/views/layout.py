# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Check the configured layouts and resolve them for the pages.

A layout has tabs of rows of widgets. A widget has a kind and the options of that kind
(:data:`OPTIONS`). A row is sixteen columns wide, as in Semantic UI.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NoReturn

from flask import Flask
from flask_babel.speaklater import LazyString

from ..config import COMMUNITY_STATS_SUBCOUNTS
from ..custom_fields import LAYOUT
from ..default_layout import PageLayout, PageTab, Widget
from ..errors import ConfigurationError
from ..queries.metrics import METRICS
from ..queries.query import INTERVALS
from ..subcounts import VARIABLE

COLUMNS = 16
"""Width of a row."""

GLOBAL = "global"
"""Name of the further layout that the page of the instance uses."""

TOP = 100
"""Largest number of rows of a ranking."""

_IDENTIFIER = "an identifier: letters, digits and underscores, and no digit first"

OptionCheck = Callable[[Any, Collection[str]], str | None]
"""Checks the value of an option, given the keys of the breakdowns.

It returns None for a valid value, else what the value must be, as a noun phrase.
"""


def _text(value: object, breakdowns: Collection[str] = ()) -> str | None:
    return None if isinstance(value, str | LazyString) else "a string"


def _metrics(known: Collection[str]) -> OptionCheck:
    def check(value: object, breakdowns: Collection[str]) -> str | None:
        if not isinstance(value, list | tuple) or not value:
            return f"a list of metrics; valid metrics are {', '.join(known)}"
        for key in value:
            if key not in known:
                return f"a list of metrics; {key!r} is not one of {', '.join(known)}"
        return None

    return check


def _one_of(*allowed: str) -> OptionCheck:
    def check(value: object, breakdowns: Collection[str]) -> str | None:
        return None if value in allowed else f"one of {', '.join(allowed)}"

    return check


def _breakdown(value: object, breakdowns: Collection[str]) -> str | None:
    if value in breakdowns:
        return None
    return f"a breakdown; valid breakdowns are {', '.join(breakdowns)}"


def _breakdowns(value: object, breakdowns: Collection[str]) -> str | None:
    if isinstance(value, list | tuple) and all(key in breakdowns for key in value):
        return None
    return f"a list of breakdowns; valid breakdowns are {', '.join(breakdowns)}"


def _switch(value: object, breakdowns: Collection[str]) -> str | None:
    return None if isinstance(value, bool) else "True or False"


def _count(value: object, breakdowns: Collection[str]) -> str | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= TOP
    return None if fits else f"a whole number from 1 to {TOP}"


_IN_CELLS = tuple(key for key, metric in METRICS.items() if metric.cell)
_USAGE = tuple(key for key, metric in METRICS.items() if metric.of == "usage")

OPTIONS: dict[str, dict[str, OptionCheck]] = {
    "figures": {"metrics": _metrics(tuple(METRICS))},
    "chart": {
        "metrics": _metrics(tuple(METRICS)),
        "breakdown": _breakdown,
        "breakdowns": _breakdowns,
        "interval": _one_of(*INTERVALS),
        "cumulative": _switch,
        "top": _count,
    },
    "breakdown": {
        "breakdown": _breakdown,
        "metrics": _metrics(_IN_CELLS),
        "top": _count,
    },
    "map": {"metrics": _metrics(_USAGE), "top": _count},
    "records": {
        "by": _one_of("views", "downloads"),
        "of": _one_of("parents", "records"),
        "top": _count,
    },
    "text": {"text": _text},
}
"""Kind of widget -> option -> check of its value."""

REQUIRED: dict[str, tuple[str, ...]] = {"breakdown": ("breakdown",), "text": ("text",)}
"""Kind of widget -> options that it requires."""

_COMMON = ("kind", "width", "title")


def check_configured(config: Mapping[str, Any]) -> None:
    """Refuse invalid layouts in the configuration.

    Raises:
        ConfigurationError: a layout is invalid; the message has the path to the error.
    """
    own = config[VARIABLE]
    # a layout may name a default breakdown that the site has removed
    known = COMMUNITY_STATS_SUBCOUNTS | (own if isinstance(own, dict) else {})
    check_layout(config["STATS_DASHBOARD_LAYOUT"], known)
    for name, further in config["STATS_DASHBOARD_LAYOUTS"].items():
        check_layout(further, known, f"STATS_DASHBOARD_LAYOUTS[{name!r}]")


def offer_layouts(app: Flask) -> None:
    """Offer the further layouts in the settings of communities.

    The site may not have that field. Without further layouts, the form omits it.
    """
    options = [
        {"id": name, "title_l10n": layout.get("label", name)}
        for name, layout in app.config["STATS_DASHBOARD_LAYOUTS"].items()
        if name != GLOBAL
    ]
    sections = app.config.get("COMMUNITIES_CUSTOM_FIELDS_UI") or []
    app.config["COMMUNITIES_CUSTOM_FIELDS_UI"] = [
        {**section, "fields": list(_with_options(section["fields"], options))}
        for section in sections
    ]


def _with_options(
    fields: Iterable[dict[str, Any]], options: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    for field in fields:
        if field["field"] != LAYOUT:
            yield field
        elif options:
            yield {**field, "props": {**field["props"], "options": options}}


def check_layout(
    layout: Any, breakdowns: Collection[str], variable: str = "STATS_DASHBOARD_LAYOUT"
) -> None:
    """Refuse an invalid layout.

    Args:
        layout: the layout in the configuration, so of any type.
        breakdowns: keys of all breakdowns, removed ones included.
        variable: the config variable, for the message.

    Raises:
        ConfigurationError: the layout is invalid; the message has the path to the
            first error and the valid values.
    """
    _known_keys(layout, variable, ("tabs", "label"), ("tabs",))
    seen: set[str] = set()
    for tab, path in _each(layout["tabs"], f"{variable}['tabs']"):
        _known_keys(tab, path, ("key", "label", "rows"), ("key", "label", "rows"))
        if problem := _text(tab["label"]):
            _refuse(f"{path}['label']", tab["label"], problem)
        if not isinstance(tab["key"], str) or not tab["key"].isidentifier():
            _refuse(f"{path}['key']", tab["key"], _IDENTIFIER)
        if tab["key"] in seen:
            _refuse(f"{path}['key']", tab["key"], "unique among the tabs")
        seen.add(tab["key"])
        for row, row_path in _each(tab["rows"], f"{path}['rows']"):
            for widget, widget_path in _each(row, row_path):
                _check_widget(widget, widget_path, breakdowns)
            if _asked_width(row) > COLUMNS:
                raise ConfigurationError(
                    f"{row_path} is {_asked_width(row)} columns wide; a row has "
                    f"{COLUMNS}."
                )


def resolve(layout: PageLayout, breakdowns: Collection[str]) -> PageLayout:
    """Return a layout in the form that the pages read.

    Widgets of breakdowns that the site has removed are omitted, and so are rows and
    tabs that become empty. Each widget gets a width. Texts are translated into the
    language of the request.

    Args:
        layout: a layout that has been checked.
        breakdowns: keys of the breakdowns in use.
    """
    tabs: list[PageTab] = []
    for tab in layout["tabs"]:
        rows = [_resolve_row(row, breakdowns) for row in tab["rows"]]
        if rows := [row for row in rows if row]:
            tabs.append({"key": tab["key"], "label": str(tab["label"]), "rows": rows})
    return {"tabs": tabs}


def choose(
    name: str | None, layout: PageLayout, layouts: Mapping[Any, PageLayout]
) -> PageLayout:
    """Return the layout of a name, or the default if no layout has that name.

    Args:
        name: name of one of the further layouts, or None.
        layout: the default.
        layouts: the further layouts, by name.
    """
    return layouts.get(name) or layout


def _check_widget(widget: Any, path: str, breakdowns: Collection[str]) -> None:
    if not isinstance(widget, dict):
        _refuse(path, widget, "a dict of options")
    kind = widget.get("kind")
    if kind not in OPTIONS:
        _refuse(f"{path}['kind']", kind, f"one of {', '.join(OPTIONS)}")
    options = OPTIONS[kind]
    required = REQUIRED.get(kind, ())
    _known_keys(widget, path, (*_COMMON, *options), ("kind", *required))
    width = widget.get("width", 1)
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        _refuse(f"{path}['width']", width, f"a whole number from 1 to {COLUMNS}")
    checks: dict[str, OptionCheck] = {"title": _text, **options}
    for name, wanted in checks.items():
        if name in widget and (problem := wanted(widget[name], breakdowns)):
            _refuse(f"{path}[{name!r}]", widget[name], problem)
    if kind == "chart" and "breakdown" in widget:
        _all_in_cells(widget, path)


def _all_in_cells(widget: Widget, path: str) -> None:
    """Refuse metrics that cannot be broken down."""
    for key in widget.get("metrics", ()):
        if key not in _IN_CELLS:
            _refuse(f"{path}['metrics']", key, "a metric that can be broken down")


def _known_keys(
    value: object, path: str, known: Collection[str], required: Collection[str]
) -> None:
    if not isinstance(value, dict):
        _refuse(path, value, f"a dict with {', '.join(map(repr, required))}")
    for key in value:
        if key not in known:
            names = ", ".join(map(repr, known))
            raise ConfigurationError(
                f"{path} has the unknown key {key!r}; valid keys are {names}."
            )
    for key in required:
        if key not in value:
            raise ConfigurationError(f"{path} requires {key!r}.")


def _each(value: object, path: str) -> list[tuple[Any, str]]:
    if not isinstance(value, list | tuple) or not value:
        _refuse(path, value, "a non-empty list")
    return [(item, f"{path}[{number}]") for number, item in enumerate(value)]


def _refuse(path: str, value: object, wanted: str) -> NoReturn:
    raise ConfigurationError(f"{path} is {value!r}; it must be {wanted}.")


def _asked_width(row: Iterable[Widget]) -> int:
    return sum(widget.get("width", 1) for widget in row)


def _resolve_row(row: Iterable[Widget], breakdowns: Collection[str]) -> list[Widget]:
    widgets = [
        {key: _plain(value) for key, value in _in_use(widget, breakdowns).items()}
        for widget in row
        if _is_in_use(widget, breakdowns)
    ]
    left = COLUMNS - sum(widget.get("width", 0) for widget in widgets)
    without = [widget for widget in widgets if "width" not in widget]
    for number, widget in enumerate(without):
        widget["width"] = left // (len(without) - number)
        left -= widget["width"]
    return widgets


def _is_in_use(widget: Widget, breakdowns: Collection[str]) -> bool:
    needed = {"map": "countries", "breakdown": widget.get("breakdown")}
    key = needed.get(widget["kind"])
    return key is None or key in breakdowns


def _in_use(widget: Widget, breakdowns: Collection[str]) -> Widget:
    """Return a widget without breakdowns that the site has removed."""
    if "breakdowns" not in widget:
        return widget
    in_use = [key for key in widget["breakdowns"] if key in breakdowns]
    return {**widget, "breakdowns": in_use}


def _plain(value: object) -> Any:
    """Return a JSON value; lazy translations become text."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | bool | type(None)) else str(value)
