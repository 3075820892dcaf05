#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

# The script is part of the package, so that a wheel contains it.
exec bash "$(dirname "${BASH_SOURCE[0]}")/invenio_stats_dashboard/patches/apply_patches.sh" "$@"
