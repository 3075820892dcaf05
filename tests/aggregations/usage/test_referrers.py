# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Only host names count as referrers, in one spelling each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invenio_stats_dashboard.aggregations.usage.referrers import host_of
from invenio_stats_dashboard.reserved_ids import RESERVED

from ...helpers import reference

LONGEST = ".".join(["a" * 63] * 3 + ["b" * 61])
"""A name of 253 characters."""


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("https://Example.ORG:8443/a?b#c", "example.org"),
        ("http://ann:secret@example.org/", "example.org"),
        ("https://example.org./", "example.org"),
        ("//example.org/a", "example.org"),
        ("android-app://com.example.app/", "com.example.app"),
        ("http://localhost/", "localhost"),
        ("https://r3---sn-4g5e.example/", "r3---sn-4g5e.example"),
        ("https://3com.example/", "3com.example"),
        (f"https://{LONGEST}/", LONGEST),
        (f"https://{LONGEST}./", LONGEST),
        # the same name in Unicode and in Punycode
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://BÜCHER.example/", "xn--bcher-kva.example"),
        ("https://bu\u0308cher.example/", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("https://XN--Bcher-KVA.Example/", "xn--bcher-kva.example"),
        ("https://日本語。jp/", "xn--wgv71a119e.jp"),
        # not the same name, unlike in IDNA 2003
        ("https://faß.example/", "xn--fa-hia.example"),
    ],
)
def test_the_host_of_a_referrer_is_its_name_in_the_dns(referrer, host):
    assert host_of(referrer) == host


@pytest.mark.parametrize(
    "referrer",
    [
        *(None, "", "example.org/a", "about:blank", "https://", "https:///a"),
        *("https://[broken/", "https://.", "https://..", "https://a..example/"),
        *("https://.example/", "https://example../", "https://a b.example/"),
        *("https://-a.example/", "https://a-.example/", "https://a_b.example/"),
        *("https://_other/", "https://_hidden/", "https://ex%61mple.org/"),
        *("https://a\x00b.example/", "https://<b>.example/", "https://=1+1/"),
        f"https://{LONGEST}b/",
        f"https://{'a' * 64}.example/",
        f"https://{'ü' * 60}.example/",
        f"https://{'ü' * 8000}/",
        # Punycode that stands for no label
        *(
            "https://xn--.example/",
            "https://xn--a.example/",
            "https://xn--\x80.example/",
        ),
        *("https://xn--i-7iq.example/", "https://i❤.example/"),
        # addresses, in all notations
        *("http://192.0.2.7/", "http://192.0.2.7:80/", "http://3232235777/"),
        *("http://0x7f.1/", "http://0xC0.0x0.0x2.0x7/", "http://192.0.2/"),
        *("http://\uff11\uff19\uff12.0.2.7/", "http://example.123/", "http://0x/"),
        *(
            "http://[2001:db8::1]/",
            "http://[2001:db8::1]:80/",
            "http://[fe80::1%25eth0]/",
        ),
    ],
)
def test_anything_else_has_no_host(referrer):
    assert host_of(referrer) is None


HOSTS = st.one_of(
    st.text(max_size=20),
    st.text("aZ0-._xXnN%:@[]ßüÜ \uff11\u3002\u00ad\u0308א", max_size=20),
    st.lists(
        st.sampled_from(("a", "B-c", "xn--bcher-kva", "ü", "0x1", "7", "_other", "")),
        max_size=4,
    ).map(".".join),
)


@given(HOSTS)
def test_every_host_is_valid_and_its_own_host(text):
    host = host_of(f"https://{text}/path")
    assert host == reference.host(f"https://{text}/path")
    if host is not None:
        assert host.isascii() and host == host.lower() and 1 <= len(host) <= 253
        assert host not in RESERVED
        assert host_of(f"https://{host}/") == host
