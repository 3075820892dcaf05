# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Bundle the JavaScript and styles of the pages, for webpack and rspack."""

from invenio_assets.webpack import WebpackThemeBundle

theme = WebpackThemeBundle(
    __name__,
    "assets",
    default="semantic-ui",
    themes={
        "semantic-ui": {
            "entry": {
                "invenio-stats-dashboard": "./js/invenio_stats_dashboard/index.js",
            },
            "dependencies": {
                "echarts": "^6.0.0",
                "i18next": "^20.3.0",
                "i18next-browser-languagedetector": "^6.1.0",
                "prop-types": "^15.7.2",
                "react": "^16.13.0",
                "react-dom": "^16.13.0",
                "react-overridable": "^1.0.0",
            },
            "aliases": {
                "@js/invenio_stats_dashboard": "js/invenio_stats_dashboard",
                "@less/invenio_stats_dashboard": "less/invenio_stats_dashboard",
                "@translations/invenio_stats_dashboard": (
                    "translations/invenio_stats_dashboard"
                ),
            },
        },
    },
)
