# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What the pages show, and where: tabs of rows of widgets, from the configuration.

A widget is told by its kind and by options; what each kind takes is in
:data:`OPTIONS`. A row is sixteen columns wide, as in Semantic UI.
"""

from flask_babel.speaklater import LazyString

from ..config import COMMUNITY_STATS_SUBCOUNTS
from ..custom_fields import LAYOUT
from ..errors import ConfigurationError
from ..queries.metrics import METRICS
from ..queries.query import INTERVALS
from ..subcounts import VARIABLE

COLUMNS = 16
"""Width of a row."""

GLOBAL = "global"
"""Name of the layout of the instance's page, among the further layouts."""

TOP = 100
"""Most rows of a ranking."""


def _text(value, breakdowns=()):
    return None if isinstance(value, str | LazyString) else "a text"


def _metrics(known):
    def check(value, breakdowns):
        if not isinstance(value, list | tuple) or not value:
            return f"a list of metrics; there are {', '.join(known)}"
        for key in value:
            if key not in known:
                return f"a list of metrics; {key!r} is none of {', '.join(known)}"
        return None

    return check


def _one_of(*allowed):
    def check(value, breakdowns):
        return None if value in allowed else f"one of {', '.join(allowed)}"

    return check


def _breakdown(value, breakdowns):
    if value in breakdowns:
        return None
    return f"a breakdown; there are {', '.join(breakdowns)}"


def _breakdowns(value, breakdowns):
    if not isinstance(value, list | tuple):
        return "a list of breakdowns"
    problems = [_breakdown(key, breakdowns) for key in value]
    return next((f"a list of which each is {p}" for p in problems if p), None)


def _switch(value, breakdowns):
    return None if isinstance(value, bool) else "True or False"


def _count(value, breakdowns):
    fits = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= TOP
    return None if fits else f"a whole number from 1 to {TOP}"


_IN_CELLS = tuple(key for key, metric in METRICS.items() if metric.cell)
_USAGE = tuple(key for key, metric in METRICS.items() if metric.of == "usage")

OPTIONS = {
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
"""Kind of widget -> option -> check of its value: None, or what it must be."""

REQUIRED = {"breakdown": ("breakdown",), "text": ("text",)}
"""Kind of widget -> options that it cannot do without."""

_COMMON = ("kind", "width", "title")


def check_configured(config):
    """Refuse a configured layout that cannot work.

    Args:
        config: the application's configuration.

    Raises:
        ConfigurationError: a sentence with the path to what is wrong.
    """
    own = config[VARIABLE]
    # breakdowns of the usual ones may be removed, and are left out then
    known = COMMUNITY_STATS_SUBCOUNTS | (own if isinstance(own, dict) else {})
    check_layout(config["STATS_DASHBOARD_LAYOUT"], known)
    for name, further in config["STATS_DASHBOARD_LAYOUTS"].items():
        check_layout(further, known, f"STATS_DASHBOARD_LAYOUTS[{name!r}]")


def offer_layouts(app):
    """Offer the further layouts in the form of communities, where the site has it.

    Without any the field is left out of the form.

    Args:
        app: the Flask application.
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


def _with_options(fields, options):
    for field in fields:
        if field["field"] != LAYOUT:
            yield field
        elif options:
            yield {**field, "props": {**field["props"], "options": options}}


def check_layout(layout, breakdowns, variable="STATS_DASHBOARD_LAYOUT"):
    """Refuse the first thing in a layout that cannot work.

    Args:
        layout: the layout as it is configured.
        breakdowns: keys of all breakdowns that there are, removed ones too.
        variable: where the layout was found, for the message.

    Raises:
        ConfigurationError: a sentence with the path to what is wrong, and with what
            there is.
    """
    _known_keys(layout, variable, ("tabs", "label"), ("tabs",))
    seen = set()
    for tab, path in _each(layout["tabs"], f"{variable}['tabs']"):
        _known_keys(tab, path, ("key", "label", "rows"), ("key", "label", "rows"))
        if problem := _text(tab["label"]):
            _refuse(f"{path}['label']", tab["label"], problem)
        if not isinstance(tab["key"], str) or not tab["key"].isidentifier():
            _refuse(f"{path}['key']", tab["key"], "a word of letters and underscores")
        if tab["key"] in seen:
            _refuse(f"{path}['key']", tab["key"], "the key of one tab only")
        seen.add(tab["key"])
        for row, row_path in _each(tab["rows"], f"{path}['rows']"):
            for widget, widget_path in _each(row, row_path):
                _check_widget(widget, widget_path, breakdowns)
            if _asked_width(row) > COLUMNS:
                raise ConfigurationError(
                    f"{row_path} is {_asked_width(row)} columns wide; a row has "
                    f"{COLUMNS}."
                )


def resolve(layout, breakdowns):
    """Return a layout as the pages read it.

    Widgets of breakdowns that the site has removed are left out, and so are rows and
    tabs that hold nothing then. Every widget gets a width, every text is translated
    into the language of the request.

    Args:
        layout: a layout that has been checked.
        breakdowns: keys of the breakdowns in use.

    Returns:
        dict: JSON, ``{"tabs": [{"key", "label", "rows": [[widget, ...], ...]}]}``.
    """
    tabs = []
    for tab in layout["tabs"]:
        rows = [_resolve_row(row, breakdowns) for row in tab["rows"]]
        if rows := [row for row in rows if row]:
            tabs.append({"key": tab["key"], "label": str(tab["label"]), "rows": rows})
    return {"tabs": tabs}


def choose(name, layout, layouts):
    """Return the layout of a name; the usual one where there is none of that name.

    Args:
        name: of one of the further layouts, or None.
        layout: the usual layout.
        layouts: the further ones, by name.
    """
    return layouts.get(name) or layout


def _check_widget(widget, path, breakdowns):
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
    for name, wanted in {"title": _text, **options}.items():
        if name in widget and (problem := wanted(widget[name], breakdowns)):
            _refuse(f"{path}[{name!r}]", widget[name], problem)
    if kind == "chart" and "breakdown" in widget:
        _all_in_cells(widget, path)


def _all_in_cells(widget, path):
    """Refuse metrics that cannot be broken down."""
    for key in widget.get("metrics", ()):
        if key not in _IN_CELLS:
            _refuse(f"{path}['metrics']", key, "a metric that can be broken down")


def _known_keys(value, path, known, required):
    if not isinstance(value, dict):
        _refuse(path, value, f"a dict with {', '.join(map(repr, required))}")
    for key in value:
        if key not in known:
            names = ", ".join(map(repr, known))
            raise ConfigurationError(f"{path} has {key!r}; there are only {names}.")
    for key in required:
        if key not in value:
            raise ConfigurationError(f"{path} needs {key!r}.")


def _each(value, path):
    if not isinstance(value, list | tuple) or not value:
        _refuse(path, value, "a list that is not empty")
    return [(item, f"{path}[{number}]") for number, item in enumerate(value)]


def _refuse(path, value, wanted):
    raise ConfigurationError(f"{path} is {value!r}; it must be {wanted}.")


def _asked_width(row):
    return sum(widget.get("width", 1) for widget in row)


def _resolve_row(row, breakdowns):
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


def _is_in_use(widget, breakdowns):
    needed = {"map": "countries", "breakdown": widget.get("breakdown")}
    key = needed.get(widget["kind"])
    return key is None or key in breakdowns


def _in_use(widget, breakdowns):
    """Return a widget with those of its breakdowns that are in use."""
    if "breakdowns" not in widget:
        return widget
    kept = [key for key in widget["breakdowns"] if key in breakdowns]
    return {**widget, "breakdowns": kept}


def _plain(value):
    """Return a value of JSON; lazy translations become text."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | bool | type(None)) else str(value)
