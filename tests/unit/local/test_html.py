"""HTML to text: what is shown stays, in its blocks; broken markup costs linear time and no exception."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oauth_codex.local.text.html import html_to_text

PAGE = """<!DOCTYPE html>
<html><head><title>Fish &amp; chips</title>
<style>p > b { color: red }</style><script>if (a < b && "</p>") document.write("<p>no</p>")</script></head>
<body><!-- a comment with <p>markup</p> -->
<h1>Menu</h1><p>Cod,
   <b>fresh</b>ly fried&nbsp;&mdash; &#8364;9 <a href="x?a>b" title='it>"s'>more</a></p>
<ul><li>One<li>Two</ul>
<table><tr><th>Dish<th>Price</tr><tr><td>Cod<td>9</td></tr></table>
<pre>def f(x):
    return x &lt; 2</pre>
a<br>b</body></html>"""


def test_a_page() -> None:
    assert html_to_text(PAGE) == (
        "Fish & chips\n\nMenu\n\nCod, freshly fried — €9 more\n\nOne\nTwo\n\nDish\tPrice\nCod\t9\n\n"
        "def f(x):\n    return x < 2\n\na\nb"
    )


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a < b, x<3 and y>2", "a < b, x<3 and y>2"),
        ("<p>don't <i>stop</i>", "don't stop"),
        ("<b>bo</b>ld <i> it</i>", "bold it"),
        ("a<!-- x -- > -->b<!-->c<!--d", "abc"),
        ("<SCRIPT>x</ScRiPt >y<style/>z<script>rest", "yz"),
        ("<script>a</scripted>b</script>c", "c"),
        ("<![foo[bar]]>a<![if IE]>b<?php x ?>c</>d<!>", "abcd"),
        ("end <b", "end <b"),
        ('<a title="unclosed>text', "text"),
        ("&lt;b&gt; &#x41; &#0; &#xD800; &nosuch; &", "<b> A \ufffd \ufffd &nosuch; &"),
        ("&#" + "9" * 5000 + ";b", "\ufffdb"),
        ("<script>only</script>", ""),
        ("", ""),
    ],
)
def test_details(markup: str, text: str) -> None:
    assert html_to_text(markup) == text


def test_nesting_200_000_deep() -> None:
    assert html_to_text("<div>" * 200_000 + "deep" + "</div>" * 200_000) == "deep"


# html.parser of Python 3.11.7 needs minutes for these, or raises; a quadratic scan would hang the run.
@pytest.mark.parametrize(
    "unit",
    ["<!--", "<a ", '<a b="', "<a/", "<script", "</a", "<![CDATA[", "<?", "<a x='<", "<!--x--!", "<![", "<"],
)
def test_broken_markup_repeated_without_end(unit: str) -> None:
    assert len(html_to_text(unit * 200_000)) <= len(unit) * 200_000


@given(
    st.lists(
        st.sampled_from(
            [
                "<",
                ">",
                "</",
                "<!--",
                "-->",
                "<p",
                "<pre>",
                "<script>",
                "</script>",
                '"',
                "=",
                "'",
                "&",
                "x ",
                "/",
            ]
        )
    )
)
def test_any_markup_is_read_and_gives_valid_text(parts: list[str]) -> None:
    text = html_to_text("".join(parts))
    assert text == text.strip()
    text.encode()


@given(st.text(alphabet=st.characters(exclude_characters="<&", exclude_categories=["Cs"])))
def test_text_without_markup_keeps_every_word(text: str) -> None:
    assert html_to_text(text).split() == text.split()
