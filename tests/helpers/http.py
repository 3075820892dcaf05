# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Requests to the application, each in a context of its own."""

import contextvars

from invenio_accounts.testutils import login_user_via_session


class Http:
    """A browser or a script, maybe one that is logged in.

    Args:
        app: the application.
        user_id: who is logged in; None for nobody.
    """

    def __init__(self, app, user_id=None):
        """Log in."""
        self._app, self._user_id = app, user_id
        self._client = None

    def get(self, path, **options):
        """Get a path of the REST API."""
        return self._send("get", path, **options)

    def post(self, path, **options):
        """Post to a path of the REST API."""
        return self._send("post", path, **options)

    def _send(self, method, path, **options):
        # pytest-flask has a request under way, whose user would be taken for ours
        return contextvars.Context().run(self._sent, method, path, options)

    def _sent(self, method, path, options):
        if self._client is None:
            self._client = self._app.test_client()
            if self._user_id is not None:
                with self._app.app_context():
                    self._log_in()
        if method == "post":
            options["headers"] = {"X-CSRFToken": self._csrf_token()}
        return getattr(self._client, method)(path, buffered=True, **options)

    def _csrf_token(self):
        """Return the token that any refused request brings."""
        if not self._client.get_cookie("csrftoken"):
            self._client.post("/stats", json={})
        return self._client.get_cookie("csrftoken").value

    def _log_in(self):
        from invenio_accounts.proxies import current_datastore

        user = current_datastore.get_user(self._user_id)
        login_user_via_session(self._client, user=user)
