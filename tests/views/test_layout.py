# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test which layouts are refused, and what the pages receive."""

from copy import deepcopy

import pytest

from invenio_stats_dashboard import config
from invenio_stats_dashboard.default_layout import DEFAULT_LAYOUT
from invenio_stats_dashboard.errors import ConfigurationError
from invenio_stats_dashboard.views.layout import (
    check_configured,
    check_layout,
    choose,
    resolve,
)

BREAKDOWNS = tuple(config.COMMUNITY_STATS_SUBCOUNTS)

WHERE = "STATS_DASHBOARD_LAYOUT['tabs'][0]['rows'][0][0]"


def layout(*row, **tab):
    return {"tabs": [{"key": "one", "label": "One", "rows": [list(row)], **tab}]}


def defaults():
    names = [n for n in dir(config) if n.startswith(("COMMUNITY_", "STATS_DASH"))]
    return {name: deepcopy(getattr(config, name)) for name in names}


@pytest.mark.parametrize(
    ("widget", "sentence"),
    [
        (
            {"kind": "pie"},
            f"{WHERE}['kind'] is 'pie'; it must be one of figures, chart,",
        ),
        ({}, f"{WHERE}['kind'] is None; it must be one of figures"),
        ("chart", f"{WHERE} is 'chart'; it must be a dict of options"),
        (
            {"kind": "chart", "colour": "red"},
            f"{WHERE} has the unknown key 'colour'; valid keys are 'kind', 'width', "
            "'title', 'metrics'",
        ),
        ({"kind": "chart", "width": 17}, "is 17 columns wide; a row has 16"),
        ({"kind": "chart", "width": 0}, f"{WHERE}['width'] is 0; it must be a whole"),
        ({"kind": "chart", "width": True}, f"{WHERE}['width'] is True"),
        (
            {"kind": "chart", "metrics": ["view"]},
            "'view' is not one of views, view_visitors",
        ),
        ({"kind": "chart", "metrics": "views"}, "it must be a list of metrics"),
        ({"kind": "chart", "metrics": []}, "it must be a list of metrics"),
        (
            {"kind": "chart", "metrics": ["uploaders"], "breakdown": "languages"},
            "is 'uploaders'; it must be a metric that can be broken down",
        ),
        ({"kind": "chart", "interval": "hour"}, "it must be one of day, week, month"),
        ({"kind": "chart", "cumulative": "yes"}, "it must be True or False"),
        (
            {"kind": "chart", "breakdowns": ["moods"]},
            "it must be a list of breakdowns; valid breakdowns are resource_types,",
        ),
        ({"kind": "breakdown"}, f"{WHERE} requires 'breakdown'"),
        (
            {"kind": "breakdown", "breakdown": "moods"},
            "it must be a breakdown; valid breakdowns are resource_types, "
            "access_statuses",
        ),
        (
            {"kind": "breakdown", "breakdown": "rights", "metrics": ["uploaders"]},
            "'uploaders' is not one of",
        ),
        ({"kind": "map", "metrics": ["records"]}, "'records' is not one of views"),
        ({"kind": "map", "top": 0}, "it must be a whole number from 1 to 100"),
        ({"kind": "records", "by": "beauty"}, "it must be one of views, downloads"),
        ({"kind": "text"}, f"{WHERE} requires 'text'"),
        ({"kind": "text", "text": 5}, f"{WHERE}['text'] is 5; it must be a string"),
        ({"kind": "map", "title": 5}, f"{WHERE}['title'] is 5; it must be a string"),
    ],
)
def test_a_widget_that_cannot_work_is_refused_with_the_path_to_it(widget, sentence):
    with pytest.raises(ConfigurationError) as error:
        check_layout(layout(widget), BREAKDOWNS)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ([], "STATS_DASHBOARD_LAYOUT is []; it must be a dict with 'tabs'"),
        ({}, "STATS_DASHBOARD_LAYOUT requires 'tabs'"),
        ({"tabs": []}, "['tabs'] is []; it must be a non-empty list"),
        ({"tabs": [{"key": "a", "label": "A"}]}, "['tabs'][0] requires 'rows'"),
        (layout({"kind": "map"}, key="a b"), "['tabs'][0]['key'] is 'a b'"),
        (layout({"kind": "map"}, label=None), "['tabs'][0]['label'] is None"),
        (
            layout({"kind": "map"}, icon="x"),
            "has the unknown key 'icon'; valid keys are 'key'",
        ),
        (
            {"tabs": [*layout({"kind": "map"})["tabs"]] * 2},
            "['tabs'][1]['key'] is 'one'; it must be unique among the tabs",
        ),
        (layout(), "['tabs'][0]['rows'][0] is []; it must be a non-empty list"),
        (
            layout({"kind": "map", "width": 9}, {"kind": "chart", "width": 8}),
            "['rows'][0] is 17 columns wide; a row has 16.",
        ),
    ],
)
def test_a_layout_that_cannot_work_is_refused_with_the_path(wrong, sentence):
    with pytest.raises(ConfigurationError) as error:
        check_layout(wrong, BREAKDOWNS)
    assert sentence in str(error.value)


def test_the_usual_layout_is_one():
    check_layout(DEFAULT_LAYOUT, BREAKDOWNS)


def test_layouts_are_checked_at_start():
    values = defaults()
    values["STATS_DASHBOARD_LAYOUT"] = layout({"kind": "pie"})
    with pytest.raises(ConfigurationError, match="STATS_DASHBOARD_LAYOUT"):
        check_configured(values)


def test_further_layouts_are_checked_at_start_by_their_name():
    values = defaults()
    values["STATS_DASHBOARD_LAYOUTS"] = {"brief": layout({"kind": "pie"})}
    with pytest.raises(ConfigurationError, match=r"LAYOUTS\['brief'\]\['tabs'\]\[0\]"):
        check_configured(values)


def test_a_breakdown_that_the_site_has_removed_is_left_out_with_its_row_and_tab():
    values = defaults()
    values["COMMUNITY_STATS_SUBCOUNTS"] = {"rights": None, "languages": {"field": "x"}}
    values["STATS_DASHBOARD_LAYOUT"] = both = {
        "tabs": [
            *layout({"kind": "breakdown", "breakdown": "rights"})["tabs"],
            *layout(
                {"kind": "breakdown", "breakdown": "rights"},
                {"kind": "breakdown", "breakdown": "languages"},
                {"kind": "map"},
                {"kind": "chart", "breakdowns": ["rights", "languages"]},
                key="two",
            )["tabs"],
        ]
    }
    check_configured(values)
    (tab,) = resolve(both, ["languages"])["tabs"]
    assert tab["key"] == "two"
    assert tab["rows"] == [
        [
            {"kind": "breakdown", "breakdown": "languages", "width": 8},
            {"kind": "chart", "breakdowns": ["languages"], "width": 8},
        ]
    ]


def test_widgets_without_a_width_share_what_is_left_of_a_row():
    row = [{"kind": "map", "width": 6}, {"kind": "chart"}, {"kind": "figures"}]
    (tab,) = resolve(layout(*row), BREAKDOWNS)["tabs"]
    assert [widget["width"] for widget in tab["rows"][0]] == [6, 5, 5]


def test_resolving_leaves_the_configuration_as_it_is():
    wanted = layout({"kind": "chart", "breakdowns": ["rights"]}, {"kind": "map"})
    before = deepcopy(wanted)
    resolve(wanted, [])
    assert wanted == before


def test_the_layout_of_an_unknown_name_is_the_usual_one():
    assert choose("gone", {"tabs": 1}, {"brief": {"tabs": 2}}) == {"tabs": 1}
    assert choose("brief", {"tabs": 1}, {"brief": {"tabs": 2}}) == {"tabs": 2}
    assert choose(None, {"tabs": 1}, {}) == {"tabs": 1}
