# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""An answer of OpenSearch becomes a sentence that says what happened."""

import pytest
from opensearchpy.exceptions import (
    AuthenticationException,
    AuthorizationException,
    ConnectionError,
    NotFoundError,
    RequestError,
    TransportError,
)

from invenio_stats_dashboard.errors import (
    BlockedError,
    NotPermittedError,
    SearchUnavailableError,
    StatsDashboardError,
)
from invenio_stats_dashboard.search.client import json_client
from invenio_stats_dashboard.search.failures import as_error, explain

from ..helpers.proxies import Proxy


def error(kind, status, type, reason, request=""):
    """Return an error as the client raises it."""
    raised = kind(status, type, {"error": {"type": type, "reason": reason}})
    raised.request = request
    return raised


BLOCK = "cluster_block_exception"
CASES = [
    (
        error(
            AuthorizationException,
            403,
            "security_exception",
            "no permissions for [indices:admin/create] and User [name=a]",
            "PUT /x",
        ),
        NotPermittedError,
        ["refuses PUT /x", "'indices:admin/create'"],
    ),
    (
        error(AuthorizationException, 403, "forbidden", "no", "POST /_aliases"),
        NotPermittedError,
        ["'indices:admin/aliases'"],
    ),
    (
        error(AuthorizationException, 403, "forbidden", "no", "PUT /x/_clone/y"),
        NotPermittedError,
        ["'indices:admin/resize'"],
    ),
    (
        error(AuthorizationException, 403, "x", "no", "PUT /_index_template/y"),
        NotPermittedError,
        ["'cluster_manage_index_templates'"],
    ),
    (
        error(AuthenticationException, 401, "x", "Unauthorized", "GET /x"),
        NotPermittedError,
        ["credentials", "SEARCH_CLIENT_CONFIG"],
    ),
    (
        error(
            AuthorizationException,
            403,
            BLOCK,
            "index [x-1] blocked by: [FORBIDDEN/9/index metadata (api)];",
            "GET /x-*",
        ),
        BlockedError,
        ["index.blocks.metadata", 'PUT /x-1/_settings {"index.blocks.metadata": null}'],
    ),
    (
        error(
            TransportError,
            429,
            BLOCK,
            "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded "
            "flood-stage watermark, index has read-only-allow-delete block];",
        ),
        BlockedError,
        ["index.blocks.read_only_allow_delete", "disk space"],
    ),
    (
        error(
            AuthorizationException,
            403,
            BLOCK,
            "blocked by: [FORBIDDEN/10/cluster create-index blocked (api)];",
        ),
        BlockedError,
        ["cluster.blocks.create_index", "PUT /_cluster/settings"],
    ),
    (
        error(
            NotFoundError,
            404,
            "index_not_found_exception",
            "no such index [x] and [action.auto_create_index] ([false]) is [false]",
            "PUT /x/_doc/1",
        ),
        StatsDashboardError,
        ["refuses PUT /x/_doc/1", "action.auto_create_index"],
    ),
    (
        error(RequestError, 400, "parsing_exception", "bad [/x]", "POST /x/_search"),
        StatsDashboardError,
        ["rejects POST /x/_search", "bad [/x]"],
    ),
    (
        ConnectionError("N/A", "refused", OSError("refused")),
        SearchUnavailableError,
        ["does not answer", "SEARCH_HOSTS"],
    ),
    (
        error(TransportError, 503, "x", "unavailable"),
        SearchUnavailableError,
        ["does not answer"],
    ),
    (
        error(TransportError, 500, "x", "null_pointer", "GET /x"),
        SearchUnavailableError,
        ["cannot complete GET /x"],
    ),
    (
        AuthorizationException(403, "<html>Forbidden by proxy</html>", None),
        NotPermittedError,
        ["403 <html>Forbidden by proxy</html>"],
    ),
]


@pytest.mark.parametrize(("raised", "kind", "texts"), CASES)
def test_each_kind_of_failure_has_its_own_sentence_and_exit_code(raised, kind, texts):
    found = as_error(raised)
    assert type(found) is kind
    for text in texts:
        assert text in str(found)
    if kind is not SearchUnavailableError:
        assert "does not answer" not in str(found)


def test_an_error_of_a_client_names_its_request(app, client):
    (host,) = app.config["SEARCH_HOSTS"]
    proxy = Proxy(host)
    try:
        with app.app_context(), proxy.refusing("POST", "^/_aliases", "indices:x/y"):
            before = app.config["SEARCH_HOSTS"]
            app.config["SEARCH_HOSTS"] = [proxy.address]
            try:
                with pytest.raises(AuthorizationException) as raised:
                    json_client(app).indices.update_aliases(body={"actions": []})
            finally:
                app.config["SEARCH_HOSTS"] = before
    finally:
        proxy.close()
    assert "refuses POST /_aliases" in explain(raised.value)
    assert "'indices:x/y'" in explain(raised.value)
