# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Send requests to the application, each in its own context."""

import contextvars

from invenio_accounts.testutils import login_user_via_session


class Http:
    """A browser or a script, which may be logged in.

    Args:
        app: the application.
        user_id: id of the logged-in user, or None.
    """

    def __init__(self, app, user_id=None):
        """Log in."""
        self._app, self._user_id = app, user_id
        self._client = None

    def get(self, path, **options):
        """Get a path of the REST API."""
        return self._send("get", path, **options)

    def head(self, path, **options):
        """Get the headers of a path of the REST API."""
        return self._send("head", path, **options)

    def post(self, path, **options):
        """Post to a path of the REST API."""
        return self._send("post", path, **options)

    def _send(self, method, path, **options):
        # pytest-flask has an open request, whose user would be used otherwise
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
        """Return the token that comes with any refused request."""
        if not self._client.get_cookie("csrftoken"):
            self._client.post("/stats", json={})
        return self._client.get_cookie("csrftoken").value

    def _log_in(self):
        from invenio_accounts.proxies import current_datastore

        user = current_datastore.get_user(self._user_id)
        login_user_via_session(self._client, user=user)
